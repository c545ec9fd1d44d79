"""The embedded ClickHouse of a local instance."""

from interlock.errors import InterlockError
from interlock.platform.connection import Platform
from interlock.sinks.embedded_clickhouse.errors import DataDirectoryInUseError
from interlock.sinks.embedded_clickhouse.server import ServerSettings, run_foreground


def run(platform: Platform) -> None:
    """The embedded ClickHouse of the local instance."""

    instance = platform.instance
    if instance is None:
        raise InterlockError("the embedded ClickHouse belongs to a local instance: use `interlock up`")
    settings = ServerSettings(
        data_dir=(platform.settings.data_dir / "clickhouse").absolute(),
        port=instance.clickhouse_port,
        writer_user=platform.settings.clickhouse.user,
        writer_password=instance.writer_password,
        analyst_user=platform.settings.clickhouse.analyst_user,
        analyst_password=instance.analyst_password,
    )
    try:
        run_foreground(settings)
    except (DataDirectoryInUseError, OSError) as error:
        raise InterlockError(str(error)) from error
