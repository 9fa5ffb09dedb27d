"""Plans and graphs for tests: by hand and at random."""

from collections.abc import Sequence

from hypothesis import strategies as st

from aws.regions import known_regions
from recovery.plan.fields import Impact
from recovery.plan.model import Dependency, OnFailure, RecoveryPlan, RecoveryRules, Server, Wave

# Read before the first example, which would otherwise be a slow one.
KNOWN_REGIONS = known_regions()
REGIONS = ("us-west-2", "eu-central-1", "ap-south-1")
ACCOUNTS = ("111111111111", "222222222222")


def server_id(number: int) -> str:
    """Return a well-formed source server ID."""
    return f"s-{number:017x}"


def role_arn(account: str) -> str:
    """Return the ARN of a role in the account."""
    return f"arn:aws:iam::{account}:role/drs/Recovery"


def wave(wave_id: str, number: int, *, after: Sequence[str] = ()) -> Wave:
    """Return a wave of one server."""
    return Wave(
        wave_id=wave_id,
        servers=[Server(source_server_id=server_id(number))],
        dependencies=[Dependency(depends_on_wave_id=each) for each in after],
        region="us-west-2",
    )


def diamond() -> RecoveryPlan:
    """Return Database; App1 and App2 after it; Web after both."""
    return RecoveryPlan(
        plan_id="crm",
        region="us-west-2",
        waves=[
            wave("db", 1),
            wave("app1", 2, after=["db"]),
            wave("app2", 3, after=["db"]),
            wave("web", 4, after=["app1", "app2"]),
        ],
    )


@st.composite
def dependency_maps(draw: st.DrawFn, max_waves: int = 12) -> dict[str, list[str]]:
    """Waves and their dependencies, without cycles, in any order of the file."""
    count = draw(st.integers(0, max_waves))
    names = [f"w{number}" for number in range(count)]
    dependencies = {
        name: draw(st.lists(st.sampled_from(names[:number]), unique=True)) if number else []
        for number, name in enumerate(names)
    }
    return {name: dependencies[name] for name in draw(st.permutations(names))}


@st.composite
def any_dependency_maps(draw: st.DrawFn, max_waves: int = 8) -> dict[str, list[str]]:
    """Waves and their dependencies, cycles and self-dependencies not excluded."""
    names = [f"w{number}" for number in range(draw(st.integers(1, max_waves)))]
    return {name: draw(st.lists(st.sampled_from(names), max_size=3)) for name in names}


_names = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\u2028\u2029"),
    min_size=1,
    max_size=20,
)
_texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=30)
_ids = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
_seconds = st.floats(0.001, 604800) | st.integers(1, 604800)
_policies = st.sampled_from([None, *OnFailure])


_rules = st.builds(
    RecoveryRules,
    approvers=st.integers(0, 5),
    author_may_start=st.booleans(),
    starter_may_approve=st.booleans(),
)


@st.composite
def recovery_plans(draw: st.DrawFn) -> RecoveryPlan:
    """Frozen plans as the reader makes them, with several targets."""
    wave_ids = draw(st.lists(_ids, min_size=1, max_size=6, unique=True))
    plan_account = draw(st.none() | st.sampled_from(ACCOUNTS))
    plan_role = role_arn(plan_account) if plan_account and draw(st.booleans()) else None
    numbers = iter(range(1000))
    waves = []
    for place, wave_id in enumerate(wave_ids):
        own = draw(st.none() | st.sampled_from(ACCOUNTS))
        snapshots = draw(st.lists(st.booleans(), min_size=1, max_size=3))
        waves.append(
            Wave(
                wave_id=wave_id,
                wave_name=draw(_names),
                wave_description=draw(_texts),
                servers=[
                    Server(
                        source_server_id=server_id(next(numbers)),
                        impact=draw(st.sampled_from(Impact)),
                        recovery_snapshot_id="pit-0123456789abcdef0" if snapshot else None,
                    )
                    for snapshot in snapshots
                ],
                dependencies=[
                    Dependency(depends_on_wave_id=each)
                    for each in wave_ids[:place]
                    if draw(st.booleans())
                ],
                region=draw(st.sampled_from(REGIONS)),
                role_arn=role_arn(own) if own else plan_role,
                account_id=own or plan_account,
                timeout_seconds=draw(_seconds),
                on_failure=draw(_policies),
            )
        )
    return RecoveryPlan(
        plan_id=draw(_ids),
        recovery=draw(_rules),
        plan_name=draw(_names),
        description=draw(_texts),
        owner=draw(_texts),
        region=draw(st.none() | st.sampled_from(REGIONS)),
        role_arn=plan_role,
        account_id=plan_account,
        rto=draw(st.none() | st.integers(1, 10_000)),
        rpo=draw(st.none() | st.integers(1, 10_000)),
        on_failure=draw(_policies),
        deadline_seconds=draw(_seconds),
        decision_seconds=draw(_seconds),
        waves=draw(st.permutations(waves)),
    )
