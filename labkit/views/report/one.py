"""One learner's report as a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from labkit.language import gettext, ngettext
from labkit.record.envelope import SLOTS
from labkit.record.report import Document
from labkit.views.report.frame import facts, mark, moment, page, said, section, table, text


def report_page(document: Document) -> str:
    """The page, with empty slots for the document and its signature."""
    about = document["about"]
    name = about["learner"]
    title = gettext("What {name} did in the lab", name=name) if name else gettext("What was done in the lab")
    body = [
        f"<header><h1>{text(title)}</h1>{_about(about)}</header>\n<main>",
        _overview(document),
        *(_step(step) for step in document["steps"] if _has_something(step)),
        *([_releases(document["releases"])] if document["releases"] else []),
        *([_journal(document["journal"])] if document["journal"] else []),
        "</main>",
        f"<footer><p>{said(_what_it_proves())}</p></footer>",
    ]
    return page(title, body, SLOTS)


def _about(about: dict[str, Any]) -> str:
    cluster, versions = about["cluster"], about["versions"]
    pairs = [
        (gettext("From"), moment(about["first"])),
        (gettext("to"), moment(about["last"])),
        (gettext("Report made"), f"{moment(about['made'])} UTC"),
        (gettext("Cluster"), text(f"{cluster['kind']}, {cluster['id']}")),
        ("Kubernetes", text(versions["kubernetes"])),
        ("Istio", text(versions["istio"])),
        ("labkit", text(versions["labkit"])),
    ]
    told = [f"<p>{text(_condensed(one))}</p>" for one in about["condensed"]]
    return facts(pairs) + "".join(told)


def _condensed(one: dict[str, Any]) -> str:
    counts = ", ".join(f"{what}: {number}" for what, number in one["counts"].items())
    return gettext(
        "The record grew large: what was between {since} and {until} is only counted ({counts}).",
        since=one["since"][:16].replace("T", " "),
        until=one["until"][:16].replace("T", " "),
        counts=counts,
    )


def _has_something(step: dict[str, Any]) -> bool:
    return bool(step["checks"] or step["quiz"] or step["task"])


# ----------------------------------------------------------------------------------------------- overview


def _overview(document: Document) -> str:
    heads = [gettext("Step"), gettext("Checked"), gettext("Question"), gettext("Task"), gettext("First held")]
    rows = [
        [
            text(f"{step['number']}. {step['title']}"),
            _attempts(step["checks"], "holds"),
            _attempts(step["quiz"], "right"),
            _attempts(step["task"], "holds"),
            moment(step["done"]),
        ]
        for step in document["steps"]
    ]
    done = len(document["about"]["done"])
    caption = ngettext(
        "{number} of {all} steps was seen to hold.",
        "{number} of {all} steps were seen to hold.",
        done,
        all=len(rows),
    )
    return section("overview", gettext("Overview"), [table(caption, heads, rows)])


def _attempts(attempts: Sequence[dict[str, Any]], good: str) -> str:
    """How it went: passed by which attempt, or how many there were."""
    if not attempts:
        return "–"
    passed = next((number for number, one in enumerate(attempts, 1) if one[good]), 0)
    words = (
        gettext("attempt {number}", number=passed)
        if passed
        else ngettext("{number} attempt", "{number} attempts", len(attempts))
    )
    return f'<span class="attempts">{mark(bool(passed), words)}</span>'


# -------------------------------------------------------------------------------------------------- a step


def _step(step: dict[str, Any]) -> str:
    number = step["number"]
    parts: list[str] = []
    if step["checks"]:
        parts += [f"<h3>{text(gettext('Checked'))}</h3>", *_judged(step["checks"])]
    if step["quiz"]:
        parts += [f"<h3>{text(gettext('Question'))}</h3>", _answers(step["quiz"])]
    if step["task"]:
        title = step["task"][-1]["title"]
        parts += [f"<h3>{text(title)}</h3>", *_judged(step["task"])]
    title = gettext("Step {step}, {title}", step=number, title=step["title"])
    return section(f"step-{number}", title, parts)


def _judged(attempts: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The last attempt as it was observed, and those before it, folded."""
    yield _observed(attempts[-1])
    if earlier := attempts[:-1]:
        words = ngettext("{number} earlier attempt", "{number} earlier attempts", len(earlier))
        inside = "".join(map(_observed, reversed(earlier)))
        yield f"<details><summary>{text(words)}</summary>{inside}</details>"


def _observed(attempt: dict[str, Any]) -> str:
    promises = "".join(f"<li>{_promise(one)}</li>" for one in attempt["promises"])
    return f'<p class="soft">{moment(attempt["time"])} UTC</p><ul>{promises}</ul>'


def _promise(one: dict[str, Any]) -> str:
    seen = gettext("seen: {seen}", seen=one["seen"])
    return f'{said(one["promise"])}: {mark(one["holds"])}<br><span class="soft">{text(seen)}</span>'


def _answers(answers: Sequence[dict[str, Any]]) -> str:
    def told(one: dict[str, Any]) -> str:
        verdict = mark(one["right"], gettext("right") if one["right"] else gettext("wrong"))
        words = f"{one['answer']}. {one['words']}"
        return f"<li>{said(words)}: {verdict} <span class='soft'>{moment(one['time'])}</span></li>"

    return f"<p>{said(answers[-1]['question'])}</p><ul>{''.join(map(told, answers))}</ul>"


# ------------------------------------------------------------------------------------------------ releases


def _releases(releases: Sequence[dict[str, Any]]) -> str:
    return section("releases", gettext("Releases"), map(_release, releases))


def _release(one: dict[str, Any]) -> str:
    parts = [
        f"<h3>{text(one['to'])}, {moment(one['time'])} UTC</h3>",
        f"<p>{text(one['verdict'])}</p>",
        _limits(one) if one["steps"] else "",
        _course(one) if one["steps"] else "",
    ]
    if str(one["picture"]).startswith("data:image/png;base64,"):
        parts.append(
            f'<figure><img src="{text(one["picture"])}" alt="{text(_described(one))}"></figure>',
        )
    return "\n".join(part for part in parts if part)


def _limits(one: dict[str, Any]) -> str:
    words = gettext(
        "Limits: {errors:g} % errors, 95 % within {slow:g} ms. It took {seconds:g} s.",
        errors=100 * one["limits"]["error_rate"],
        slow=one["limits"]["p95_ms"],
        seconds=one["seconds"],
    )
    return f'<p class="soft">{text(words)}</p>'


def _course(one: dict[str, Any]) -> str:
    heads = [
        gettext("weight of {to}", to=one["to"]),
        gettext("destination"),
        gettext("requests"),
        gettext("errors"),
        gettext("half within"),
        gettext("95 % within"),
    ]
    rows = [
        [
            text(f"{step['weight']} %"),
            text(each["destination"]),
            text(each["requests"]),
            text(each["errors"]),
            text(f"{each['p50_ms']:g} ms"),
            text(f"{each['p95_ms']:g} ms"),
        ]
        for step in one["steps"]
        for each in step["health"]
    ]
    return table(gettext("Step by step"), heads, rows)


def _described(one: dict[str, Any]) -> str:
    weights = ", ".join(f"{step['weight']} %" for step in one["steps"])
    return gettext(
        "The share of {to} over time, with its weights {weights}. {verdict}",
        to=one["to"],
        weights=weights,
        verdict=one["verdict"],
    )


# ------------------------------------------------------------------------------------- what else was done


def _journal(journal: Sequence[dict[str, Any]]) -> str:
    told = [f'<li><span class="soft">{moment(one["time"])}</span> {_act(one)}</li>' for one in journal]
    inside = f"<details><summary>{text(_how_much(journal))}</summary><ul>{''.join(told)}</ul></details>"
    return section("journal", gettext("What else was done"), [inside])


def _how_much(journal: Sequence[dict[str, Any]]) -> str:
    return ngettext("{number} entry", "{number} entries", len(journal))


def _act(one: dict[str, Any]) -> str:
    if one["kind"] == "statement":
        return f"{text(one['statement'])}: {mark(one['holds'])}"
    if one["kind"] == "bring_back":
        return text(gettext("brought back: {titles}", titles=", ".join(one["brought"])))
    if one["kind"] == "condensed":
        return text(_condensed(one))
    words = (
        gettext("to the end of step {step}", step=one["step"])
        if one["finished"]
        else gettext("to the beginning of step {step}", step=one["step"])
    )
    return text(". ".join(part for part in (words, one["moves"], one["set_aside"]) if part))


def _what_it_proves() -> str:
    return gettext(
        "If this file is signed, `labkit report --verify FILE` tells whether anything in it was changed "
        "since, and by which cluster's key it was signed. It does not tell that the record in it is true: "
        "learners keep their own, and who owns a cluster owns its key."
    )
