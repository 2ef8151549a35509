"""Opens the fleet's database, SQLite or PostgreSQL by its URL, at the newest schema."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, NullPool, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from wnm.core.errors import NeedsOperator, Transient

HEAD = "0001"
"""The newest revision; a test holds it to the folder of migrations."""
BUSY_MILLISECONDS = 30_000
MIGRATIONS = Path(__file__).with_name("migrations")


class Database:
    """An open database. Transactions of SQLite begin by taking the write lock, so none fails half-way for another."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Give one transaction: kept when the block ends well, else as if it had not been.

        Transient while the database is locked by others or out of reach; NeedsOperator where a person is needed.
        """
        try:
            with Session(self._engine, expire_on_commit=False) as session, session.begin():
                yield session
        except DBAPIError as error:
            raise _refused(self._engine, error) from None

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def open_database(url: str) -> Database:
    """Open the database of a URL such as `sqlite:////var/antctl/fleet.db`, making or upgrading it where needed.

    NeedsOperator for a URL that cannot be one, a database that is damaged, of a newer version or may not be used.
    """
    try:
        made = make_url(url)
        is_sqlite = made.get_backend_name() == "sqlite"
        engine = create_engine(made, poolclass=NullPool if is_sqlite else None)
    except (ArgumentError, ImportError) as error:
        raise NeedsOperator(f"{url} is no database: {error}", remedy="give a URL as sqlite:///PATH") from None
    if is_sqlite:
        _prepare_sqlite(engine)
    try:
        _bring_to_head(engine)
    except SQLAlchemyError as error:
        engine.dispose()
        raise _refused(engine, error) from None
    except BaseException:
        engine.dispose()
        raise
    return Database(engine)


def _prepare_sqlite(engine: Engine) -> None:
    path = engine.url.database
    if path and path != ":memory:":
        folder = Path(path).parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            Path(path).touch(mode=0o600, exist_ok=True)
        except OSError as error:
            remedy = f"make {folder} writable for this user, or name another database"
            raise NeedsOperator(f"{path} cannot be used: {error.strerror}", remedy=remedy) from None

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        # The driver begins transactions late and as readers; ours are begun by us.
        connection.isolation_level = None
        for setting in ("journal_mode = WAL", "foreign_keys = ON", f"busy_timeout = {BUSY_MILLISECONDS}"):
            connection.execute(f"PRAGMA {setting}").close()
        connection.execute("PRAGMA synchronous = FULL").close()

    @event.listens_for(engine, "begin")
    def begun(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _bring_to_head(engine: Engine) -> None:
    with engine.begin() as connection:
        found = None
        if inspect(connection).has_table("alembic_version"):
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if found == HEAD:
            return
        if found is not None and found > HEAD:
            remedy = "upgrade wnm-fleet on this machine, or restore the copy that was made before the upgrade"
            raise NeedsOperator(
                f"the database has schema {found}, this wnm-fleet knows {HEAD}", remedy=remedy
            )
        # Alembic takes as long to import as all the rest: only a database that is behind needs it.
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)


def _refused(engine: Engine, error: SQLAlchemyError) -> Exception:
    """Return the error of ours for one of the database: whether waiting helps, or a person is needed."""
    words = " ".join(str(getattr(error, "orig", None) or error).split())
    name = engine.url.render_as_string(hide_password=True)
    if "locked" in words or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return Transient(f"{name} is in use or out of reach: {words}")
    if "full" in words:
        return Transient(f"{name} cannot be written: no space is left")
    remedy = "see whether it is the fleet's database and undamaged, and restore a backup if it is not"
    return NeedsOperator(f"{name} cannot be used: {words}", remedy=remedy)
