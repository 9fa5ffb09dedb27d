"""The kinds of runs whose histories are recorded: `make histories`.

`python -m tests.workflows.recorded_kinds` prints pytest's expression that selects their tests.
"""

# By the name of the end-to-end test that is recorded, without `test_`.
KINDS = (
    "each_wave_of_a_chain_begins_after_the_last_server_of_the_one_before",
    "a_plan_spans_two_accounts_and_two_regions",
    "a_large_wave_is_split_into_jobs_of_at_most_100_servers",
    "plans_at_once_share_jobs_under_the_quota_and_none_is_refused",
    "a_foreign_job_is_waited_for_and_named",
    "an_operator_adopts_a_job_of_unknown_origin",
    "after_launch_anyway_a_foreign_job_is_waited_for_and_taken_over",
    "a_failed_server_in_a_completed_job_fails_its_wave_and_skips_only_its_dependents",
    "a_wave_that_arrives_late_while_the_plan_is_open_completes_and_its_dependents_run",
    "a_retry_of_a_wave_whose_job_was_only_slow_launches_nothing_again",
    "a_skipped_wave_is_not_launched_and_its_dependents_go_on",
    "an_accepted_failure_stays_true_and_lets_dependents_go_on",
    "a_wave_waits_for_approval_and_runs_when_approved",
    "a_paused_plan_launches_nothing_new_until_it_is_resumed",
    "a_cancelled_plan_launches_nothing_new_and_names_the_jobs_that_go_on",
    "a_recovery_replaces_a_running_drill_and_waits_for_its_jobs",
    "a_new_execution_takes_over_what_is_up_and_runs_the_rest",
    "a_reset_plan_attaches_to_its_running_waves",
    "a_clean_up_terminates_what_the_drill_launched_and_leaves_foreign_instances",
    "a_drill_that_a_recovery_replaces_while_dynamodb_is_unavailable_is_recorded",
    "readiness_names_each_server_that_is_not_ready_and_launches_nothing",
    "gaps_show_until_each_server_is_in_a_plan_that_was_drilled",
    "a_lag_over_the_rpo_is_reported_once_shown_and_ready_again_when_mended",
    "the_job_log_of_a_wave_says_why_a_server_failed",
    "a_recovery_that_asks_is_reported_repeated_acknowledged_and_resolved",
    "a_drill_runs_its_steps_once_and_in_order_and_each_uses_what_earlier_ones_return",
    "a_record_that_a_drill_set_is_put_back_once_it_is_confirmed",
    "a_check_that_fails_holds_the_wave_until_an_operator_overrides_it_and_that_is_kept",
    "each_server_is_launched_from_its_newest_snapshot_before_the_time",
    "servers_by_tags_are_looked_up_frozen_and_launched",
    "an_operator_compares_applies_and_exports_launch_settings",
    "a_drill_runs_in_its_own_network_and_leaves_everything_as_it_was",
    "a_recovery_that_breaks_into_a_drill_launches_in_production",
    "channels_and_the_identity_provider_are_looked_at_without_a_message",
    "a_portfolio_starts_plans_after_plans_and_after_single_waves",
    "temporal_starts_the_drill_of_a_time_once_and_announces_it",
    "nothing_starts_in_a_freeze_window_nor_unless_the_plan_is_ready",
    "a_real_recovery_skips_drills_in_its_account_and_holds_back_those_that_run",
)
PER_TYPE = 3

if __name__ == "__main__":
    print(" or ".join(KINDS))
