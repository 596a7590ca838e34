"""The page without script on which rights are taken away: a grant, or all of a source. Text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from safety_supervisor.acts import deciding
from safety_supervisor.panel.agents import WORDS, Agent
from safety_supervisor.panel.desk import LONGEST_REASON
from safety_supervisor.panel.offered import Offer, words_of
from safety_supervisor.panel.plain import STOP, make_form, make_page
from safety_supervisor.panel.snapshot import NOTHING, Values
from safety_supervisor.panel.view import View

_REASON = f'<label>Reason <input name="reason" maxlength="{LONGEST_REASON}" autocomplete="off"></label>'


def rights_page(
    view: View, agents: Sequence[Agent], grants: Sequence[Values], offered: Sequence[Offer], token: str
) -> str:
    """Return it.

    Args:
        view: what is shown.
        agents: all sources.
        grants: values of each standing approval; empty where that is not known.
        offered: acts that take rights away, and that the person may do.
        token: for its forms.
    """
    by_act = {one.act: one for one in offered}
    revoke, deny = by_act.get("revoke"), by_act.get("deny")
    parts = [STOP, "<h1>Sources and what they may</h1>"]
    parts.extend(f'<p class="warning">{escape(one)}</p>' for one in view.warnings)
    for agent in agents:
        rows = ((words, getattr(agent, name)) for name, words in WORDS)
        fields = "".join(f"<div><dt>{escape(words)}</dt><dd>{escape(text)}</dd></div>" for words, text in rows)
        parts.append(f'<h2>{escape(agent.source)} ({escape(agent.kind)})</h2><dl class="fields">{fields}</dl>')
        if revoke is not None and agent.source in revoke.fields[0].values:
            parts.append(_act(view, revoke, (agent.source,), token, f"REVOKE {agent.source}"))
    parts.append("<h2>Grants</h2>")
    if not view.waiting_known:
        parts.append('<p class="warning">what is granted is unknown, or stale</p>')
    for one in grants:
        chosen = one.get("approval", ""), one.get("source", "")
        parts.append(f"<p>{escape(deciding.grant_words(one))}</p>")
        if deny is not None:
            parts.append(_act(view, deny, chosen, token, f"TAKE BACK {' '.join(chosen)}"))
    if not grants and view.waiting_known:
        parts.append("<p>nothing is granted</p>")
    parts.append('<p><a href="/rights">Ask again</a> <a href="/plain">State</a></p>')
    return make_page("sources", "".join(parts))


def _act(view: View, offer: Offer, chosen: tuple[str, ...], token: str, word: str) -> str:
    if view.basis is None:
        return '<p class="warning">nothing can be signed now</p>'
    words = escape(words_of(offer, chosen, NOTHING))
    return f"<p>{words}</p>{make_form(offer.act, ' '.join(chosen), word, view.basis, token, _REASON)}"
