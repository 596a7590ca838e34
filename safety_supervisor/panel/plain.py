"""Pages without script, made here: the state with STOP, login, and decisions. All text from data is escaped."""

from __future__ import annotations

import secrets
from html import escape
from typing import Final
from urllib.parse import urlencode

from safety_supervisor.acts import deciding
from safety_supervisor.core.operator_settings import Person
from safety_supervisor.core.states.authority import ACTS_OF
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.panel.desk import LONGEST_REASON
from safety_supervisor.panel.sessions import IDLE
from safety_supervisor.panel.sso import Sso
from safety_supervisor.panel.view import SIGNS, UNHEARD, Basis, View, Waiting, facts_of

REFRESH: Final = 2
"""The plain page loads itself anew, [s]."""
STOP_FORM: Final = (
    '<form class="stop" method="post" action="/stop{query}"{target}>'
    '<button type="submit">STOP<small>software stop{key}</small></button></form>'
)
STOP: Final = STOP_FORM.format(query="", target="", key="")
"""As it stands on every page without script."""
ACTS: Final = (
    ("reset", "", "RESET"), ("start", "auto", "START AUTO"), ("start", "manual", "START MANUAL"),
    ("recover", "", "RECOVER"), ("mode", "auto", "MODE AUTO"), ("mode", "manual", "MODE MANUAL"),
)  # fmt: skip
"""Separate acts: act, target, the button's word."""

LONG: Final = 12
"""Letters of a state that stands beside its sign in one line; longer ones are written smaller."""


def make_page(title: str, body: str, refresh: str = "", kind: str = "page") -> str:
    """Return a whole page; `body` is markup, the title text."""
    head = f'<meta http-equiv="refresh" content="{escape(refresh)}">' if refresh else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'{head}<title>{escape(title)}</title><link rel="stylesheet" href="/panel.css"></head>'
        f'<body class="{kind}">{body}</body></html>'
    )


def _banner(view: View, robot: str) -> str:
    size = "state long" if len(view.state) > LONG else "state"
    lines = [
        f'<div class="{size}"><span class="sign">{SIGNS[view.tone]}</span> {escape(view.state)}</div>',
        f'<div class="cause">{escape(view.cause)}</div>',
        f'<div class="next">{escape(view.next_step)}</div>',
    ]
    told = (*view.warnings, *(() if view.stop_reaches else (UNHEARD,)))
    warnings = "".join(f'<div class="warning">{escape(one)}</div>' for one in told)
    facts = facts_of(view, robot)
    rows = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in facts)
    return (
        f'<section class="banner {view.tone.value}">{"".join(lines)}</section>{warnings}<dl class="facts">{rows}</dl>'
    )


def make_form(act: str, target: str, word: str, basis: Basis, token: str, extra: str = "") -> str:
    """Return a form that signs one act for what was shown; `extra` is markup."""
    seen = {key: str(value) for key, value in basis._asdict().items()}
    hidden = {"csrf": token, "once": secrets.token_hex(8), "act": act, "target": target, **seen}
    fields = "".join(f'<input type="hidden" name="{escape(k)}" value="{escape(v)}">' for k, v in hidden.items())
    return f'<form method="post" action="/act">{fields}{extra}<button type="submit">{escape(word)}</button></form>'


def state_page(
    view: View, robot: str, person: Person | None, token: str, told: str = "", both: tuple[str, ...] = ()
) -> str:
    """Return the plain page: state and STOP; with a person the acts and what waits."""
    parts = [STOP, f'<p class="told" role="status">{escape(told)}</p>' if told else "", _banner(view, robot)]
    if person is None:
        parts.append('<p><a href="/login?plain=1">Log in</a> to act. STOP needs no login.</p>')
    else:
        parts.append(f"<p>{who(person)} {logout_form(token)}</p>")
        if both:
            parts.append(f'<p class="warning">{escape(both_words(both))}</p>')
        if view.basis is not None:
            buttons = (make_form(*one, view.basis, token) for one in ACTS if one[0] in ACTS_OF[person.role])
            parts.append(f'<div class="acts">{"".join(buttons)}</div>')
        waits = "".join(f'<li><a href="/plain/{escape(one.id)}">{escape(brief(one))}</a></li>' for one in view.waiting)
        known = "" if view.waiting_known else '<p class="warning">what waits is unknown, or stale</p>'
        parts.append(f"<h2>Waits for people</h2>{known}<ul>{waits or '<li>nothing</li>'}</ul>")
        parts.append('<p><a href="/events">What has happened</a> <a href="/rights">Sources and what they may</a></p>')
    parts.append('<p><a href="/">Live page</a></p>')
    return make_page(f"{view.state} - {robot}", "".join(parts), f"{5 if told else REFRESH}; url=/plain")


def decision_page(one: Waiting, basis: Basis | None, token: str) -> str:
    """Return the page on which one command that waits is decided, bound to what it shows."""
    if one.shown is None or one.problem or basis is None:
        body = f'<p class="warning">{escape(one.id)}: {escape(one.problem or "nothing can be signed now")}</p>'
    else:
        seen = basis._replace(epoch=one.shown.epoch)
        sha = f'<input type="hidden" name="sha256" value="{escape(one.shown.sha256)}">'
        note = " (high risk: has to be typed)" if one.high_risk else ""
        reason = (
            f'{sha}<label>Reason{note} <input name="reason" maxlength="{LONGEST_REASON}" autocomplete="off"></label>'
        )
        approve = make_form("approve", one.id, "APPROVE", seen, token, reason)
        deny = make_form("deny", one.id, "DENY", seen, token, sha)
        about = "".join(f"<div>{escape(line)}</div>" for line in deciding.about(one.shown)[1:])
        told = one.shown.told
        people = f"takes {told.get('people')}, approved by: {told.get('approved') or 'nobody'}"
        numbers = f'<pre tabindex="0">{escape(deciding.numbers(one.shown))}</pre>'
        body = f"{about}<div>{escape(people)}</div>{numbers}{approve}{deny}"
    its = escape(f"/events?{urlencode({'of': one.id})}")
    return make_page(
        f"{one.id} - decide",
        f'{STOP}<h2>{escape(brief(one))}</h2>{body}<p><a href="{its}">Its decisions</a> <a href="/plain">Back</a></p>',
    )


def login_page(
    token: str, told: str = "", plain: bool = False, sso: Sso | None = None, name: str = "", idle: Nanoseconds = IDLE
) -> str:
    """Return the form of the login; `name` is the one that the provider of single sign-on gave."""
    seconds = idle // NS_PER_S
    rests = f"{seconds // 60} minutes" if seconds % 60 == 0 and seconds > 60 else f"{seconds} s"
    back = '<input type="hidden" name="plain" value="1">' if plain else ""
    message = f'<p class="warning" role="alert">{escape(told)}</p>' if told else ""
    provided = "" if sso is None else _provided(token, back, sso.provider.name, name)
    local = (
        f'<form class="login" method="post" action="/login"><input type="hidden" name="csrf" value="{token}">{back}'
        '<label>Name <input name="name" autocomplete="username" autocapitalize="none" required></label>'
        '<label>Password <input name="password" type="password" autocomplete="current-password" required></label>'
        '<button type="submit">Log in</button></form>'
    )
    return make_page(
        "Log in",
        f"{STOP}<h1>Log in</h1>{message}{provided}"
        f"{'' if sso is not None and (sso.required or name) else local}"
        f"<p>Your password unlocks your key in this process until you log out, or do nothing for {rests}. "
        'STOP needs no login.</p><p><a href="/plain">Back</a></p>',
    )


def _provided(token: str, back: str, provider: str, name: str) -> str:
    """Return the forms of a login in which the provider has a part; `name` is empty while nobody is known."""
    leads = (
        f'<form class="login" method="post" action="/sso"><input type="hidden" name="csrf" value="{token}">{back}'
        f'<button type="submit">{"That is not me" if name else f"Log in with {escape(provider)}"}</button></form>'
    )
    if not name:
        return leads
    return (
        f"<p>{escape(provider)} says that you are <b>{escape(name)}</b>. Your password opens your key.</p>"
        f'<form class="login" method="post" action="/login"><input type="hidden" name="csrf" value="{token}">{back}'
        f'<label>Password of {escape(name)} here <input name="password" type="password" '
        f'autocomplete="current-password" required></label><button type="submit">Log in</button></form>{leads}'
    )


def away(where: str, provider: str) -> str:
    """Return the page that leads to the provider of single sign-on.

    No redirection: browsers hold a form's redirections to `form-action`, which names ourselves alone.
    """
    link = f'<p><a href="{escape(where)}" rel="noreferrer">Go on to {escape(provider)}</a></p>'
    body = f"{STOP}<h1>Log in</h1><p>{escape(provider)} asks who you are.</p>{link}"
    return make_page("Log in", body, f"0; url={where}")


def stop_page(told: str, ok: bool) -> str:
    """Return what came of a stop, as a page of its own."""
    body = f'{_answer(told, ok)}<p><a href="/plain">State</a></p>{STOP}'
    return make_page("software stop", body, "5; url=/plain")


def stop_frame(told: str, ok: bool) -> str:
    """Return the same, to stand inside the live page."""
    return make_page("software stop", _answer(told, ok), kind="framed")


def _answer(told: str, ok: bool) -> str:
    return f'<p class="{"told" if ok else "warning"}" role="alert">{escape(told)}</p>'


def who(person: Person) -> str:
    """Return who is logged in, escaped."""
    return f"logged in: <b>{escape(person.name)}</b>, {escape(person.role.value)}"


def logout_form(token: str) -> str:
    """Return the button that ends the session."""
    return (
        f'<form class="logout" method="post" action="/logout"><input type="hidden" name="csrf" value="{token}">'
        '<button type="submit">Log out</button></form>'
    )


def brief(one: Waiting) -> str:
    """Return one line about what waits."""
    if one.shown is None:
        return f"{one.id}: {one.problem}"
    told = one.shown.told
    left = one.problem or f"{one.left:.0f} s left"
    return f"{one.id}: {told.get('source')} asks for {told.get('approval')}, {left}"


def both_words(names: tuple[str, ...]) -> str:
    """Return what is said where one process holds two deciding keys."""
    return f"This panel holds the keys of {' and '.join(names)}: two approvals from here are not those of two machines."
