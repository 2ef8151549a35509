"""A ufw that keeps its rules in a file and touches no firewall: how ufw 0.36.2 behaves, as far as wnm depends on it.

Its folder holds `rules.json`, `active` while it is switched on, and `default` with the line that says whether it
looks after IPv6. Like ufw it finds a rule again by everything but its action, logging and comment, and like ufw it
reads all rules before it writes them: two at once lose a change.
"""

import json
import os
import sys
from pathlib import Path

FOLDER = Path(os.environ.get("UFW_STAND_IN", Path(sys.argv[0]).parent))
RULES, ACTIVE, DEFAULT = FOLDER / "rules.json", FOLDER / "active", FOLDER / "default"
ACTIONS = ("allow", "deny", "reject", "limit")


def main(words: list[str]) -> str:
    """Do one command and return what it prints."""
    rules = json.loads(RULES.read_text()) if RULES.exists() else []
    words = [word for word in words if word != "--force"]
    match words:
        case ["enable"]:
            ACTIVE.touch()
        case ["disable"]:
            ACTIVE.unlink(missing_ok=True)
        case ["reset"]:
            ACTIVE.unlink(missing_ok=True)
            RULES.unlink(missing_ok=True)
        case ["show", "added"]:
            return "\n".join(dict.fromkeys(written(rule) for rule in rules))
        case ["status", "numbered"]:
            return status(rules)
        case ["delete", *rest]:
            return keep([rule for rule in rules if not any(doomed(rule, each) for each in parsed(rest))])
        case [action, *_] if action in ACTIONS:
            return keep(added(rules, parsed(words)))
        case _:
            sys.exit(f"ERROR: Invalid syntax: {words}")
    return ""


def written(rule: dict[str, object]) -> str:
    """A rule as `ufw show added` writes it; what it does not say in short follows as it is."""
    comment = f" comment '{rule['comment']}'" if rule["comment"] else ""
    if rule["source"] == "Anywhere" and rule["flags"] is None:
        return f"ufw {rule['action']} {rule['to']}{comment}"
    return f"ufw {json.dumps(rule)}"


def parsed(words: list[str]) -> list[dict[str, object]]:
    """The rules, one for each family, that a command is about."""
    action, *words = words
    comment = None
    if "comment" in words:
        at = words.index("comment")
        comment = words[at + 1]
        del words[at : at + 2]
    flags = words.pop(0) if words[0] in ("log", "log-all") else None
    families, source = [False, True] if "IPV6=yes" in DEFAULT.read_text() else [False], "Anywhere"
    match words:
        case [to]:
            pass
        case ["proto", protocol, "from", address, "to", "any", "port", port]:
            to = f"{port}/{protocol}"
            if address == "::/0":
                families = [True]
            elif address != "any":
                families, source = [False], "Anywhere" if address == "0.0.0.0/0" else address
        case _:
            sys.exit(f"ERROR: Need 'to' or 'from' clause: {words}")
    return [{"v6": v6, "to": to, "source": source, "action": action, "flags": flags, "comment": comment}
            for v6 in families]  # fmt: skip


def same(one: dict[str, object], other: dict[str, object]) -> bool:
    """Whether ufw takes two rules for the same one."""
    return all(one[key] == other[key] for key in ("v6", "to", "source"))


def doomed(rule: dict[str, object], named: dict[str, object]) -> bool:
    """Whether deleting `named` deletes the rule: a comment that is given has to agree."""
    plain = {**named, "comment": rule["comment"]} if named["comment"] is None else named
    return rule == plain


def added(rules: list[dict[str, object]], new: list[dict[str, object]]) -> list[dict[str, object]]:
    """All rules, new ones in the place of the same ones; those for IPv6 come last."""
    for each in new:
        if any(same(each, rule) for rule in rules):
            rules = [each if same(each, rule) else rule for rule in rules]
        else:
            rules = [*rules, each]
    return sorted(rules, key=lambda rule: bool(rule["v6"]))


def keep(rules: list[dict[str, object]]) -> str:
    """Write the rules down."""
    RULES.write_text(json.dumps(rules))
    return "Rules updated"


def status(rules: list[dict[str, object]]) -> str:
    """What `ufw status numbered` prints."""
    if not ACTIVE.exists():
        return "Status: inactive"
    text = "Status: active"
    if rules:
        text += f"\n\n     {'To':26} {'Action':12}From\n     {'--':26} {'------':12}----\n"
    for number, rule in enumerate(rules, 1):
        mark = " (v6)" if rule["v6"] else ""
        source = f"{rule['source']}{mark}" if rule["source"] == "Anywhere" else str(rule["source"])
        flags = f" ({rule['flags']})" if rule["flags"] else ""
        comment = f" # {rule['comment']}" if rule["comment"] else ""
        action = f"{str(rule['action']).upper()} IN"
        text += f"[{number:2d}] {str(rule['to']) + mark:26} {action:12}{source:26}{flags}{comment}\n"
    return text


if __name__ == "__main__":
    print(main(sys.argv[1:]))
