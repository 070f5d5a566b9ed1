"""The names of files, variables and stacks, without I/O."""

FILE_NAME = "ollamon.toml"
FILE_VARIABLE = "OLLAMON_CONFIG"
PREFIX = "OLLAMON_"
# Variables with the prefix that are no keys: how processes of a run know each other, and switches.
NOT_KEYS = frozenset(
    {
        FILE_VARIABLE,
        *("OLLAMON_RUN_ID", "OLLAMON_CHILD", "OLLAMON_NOTIFY_FD"),
        *("OLLAMON_DEBUG", "OLLAMON_FULL"),
    }
)
STACK = "default"
"""The name of a stack that has none."""
STACK_PATTERN = r"^[a-z0-9][a-z0-9-]{0,31}$"
STACK_RULE = "1 to 32 small letters, digits and hyphens, no hyphen first"

CHILDREN = ("demo", "ollama", "proxy", "helper", "prometheus", "dashboard")
"""Every child that a stack can have, in the order in which people see them."""
