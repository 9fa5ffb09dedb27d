"""A real worker of a version to come: all that it writes carries a field that ours do not know."""

from pydantic import computed_field

import recovery.base_model


class NewerModel(recovery.base_model.Model):
    """A data model with a field of a later version."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def from_a_later_version(self) -> dict[str, list[int]]:
        return {"Unknown": [1, 2, 3]}


if __name__ == "__main__":
    recovery.base_model.Model = NewerModel  # type: ignore[misc]
    from worker import main

    main()
