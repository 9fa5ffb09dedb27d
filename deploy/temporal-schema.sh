#!/bin/sh
# Creates Temporal's two databases, or brings them up to the version of this image. Safe to repeat.
# temporal-sql-tool finds the server in SQL_PLUGIN, SQL_HOST, SQL_PORT, SQL_USER and SQL_PASSWORD.
set -eu
schema=/etc/temporal/schema/postgresql/v12

temporal-sql-tool --database temporal create-database
temporal-sql-tool --database temporal setup-schema -v 0.0
temporal-sql-tool --database temporal update-schema -d "$schema/temporal/versioned"

temporal-sql-tool --database temporal_visibility create-database
temporal-sql-tool --database temporal_visibility setup-schema -v 0.0
temporal-sql-tool --database temporal_visibility update-schema -d "$schema/visibility/versioned"
