"""The identity of a machine, and whether its database was copied to another one."""

from wnm.core.values import Value


class Identity(Value, frozen=True, kw_only=True):
    """The name that a database gave its machine at --init, and that of the operating system it was made on.

    `system_id` is None until a cycle has noted it, and empty where the system has no such name. `noticed_system_id` is
    the other system that the operator was told of already.
    """

    uuid: str
    system_id: str | None
    noticed_system_id: str | None = None

    def is_copied_to(self, system_id: str) -> bool:
        """Whether the system that wnm runs on now is another one, as after an image was cloned."""
        return bool(self.system_id) and bool(system_id) and self.system_id != system_id
