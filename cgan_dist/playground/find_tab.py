"""The tab of the page where a picture is dropped, found, and drawn under other labels."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from cgan_dist.errors import UserError
from cgan_dist.labels import LabelSchema
from cgan_dist.playground.controls import label_of, values_of
from cgan_dist.playground.finder import MAX_BYTES, Finder, Located
from cgan_dist.playground.found_pictures import FoundPictures
from cgan_dist.playground.handlers import Pictures, told, with_files
from cgan_dist.playground.visitors import Visitors

FIND = "find"
"""Name of the event whose first value is a picture."""
KEEP_SECONDS = 3600
"""How long the z that was found stays in the session; the picture is never kept."""
ZONE = """<label class="drop"><input type="file" accept="image/*" hidden>
<span>Drop a picture here, or click to choose one</span><span class="said" role="status"></span></label>"""
SCRIPT = """
const say = (text) => { element.querySelector('.said').textContent = text; };
const take = (file) => {
  if (!file) return;
  if (file.size > MOST) { say(`${file.name}: larger than ${MOST >> 20} MiB; choose a smaller file.`); return; }
  say('');
  const reader = new FileReader();
  reader.onload = () => { props.value = reader.result; trigger('upload'); };
  reader.onerror = () => say(`${file.name}: cannot be read.`);
  reader.readAsDataURL(file);
};
element.addEventListener('change', (event) => { take(event.target.files[0]); event.target.value = ''; });
element.addEventListener('dragover', (event) => event.preventDefault());
element.addEventListener('drop', (event) => { event.preventDefault(); take(event.dataTransfer.files[0]); });
""".replace("MOST", str(MAX_BYTES))


def find_tab(
    finder: Finder,
    visitors: Visitors,
    pictures: Pictures,
    label: Sequence[Any],
    seed: Any,
    moves: Sequence[Any],
    picture_of: Callable[[str], tuple[Any, tuple[gr.DownloadButton, gr.DownloadButton]]],
    found: FoundPictures | None = None,
) -> None:
    """Adds the tab; once something is found, it can be drawn under another label, or moved along directions.

    Args:
        finder: that searches.
        visitors: of the page.
        pictures: that draws.
        label: the widgets of a label; set to the one that was found.
        seed: the widget of the seed.
        moves: the widgets of directions.
        picture_of: makes the widgets of a picture and its files, by a name.
        found: pictures of a file, to be chosen too.
    """
    with gr.Tab("Your picture", id="find"):
        gr.Markdown(
            "The nearest image of the generator is searched. Then turn the label on the left, or the directions, and "
            "draw: z stays. The picture is read, and not kept."
        )
        zone, known, names = _sources(label, found)
        with gr.Row(elem_classes="request"):
            shown = gr.HTML(elem_id="found", min_height=160)
            press = gr.Button("Draw", variant="primary", elem_id="generate-edit", min_width=120)
        kept = gr.State(time_to_live=KEEP_SECONDS)
        image, buttons = picture_of("edit")
    finding = Finding(finder, visitors, pictures.studio.space.schema, found)
    edit: dict[str, Any] = {
        "fn": with_files(pictures.edited, buttons),
        "inputs": [*label, kept, *moves],
        "outputs": [image, *buttons],
        "concurrency_id": "draw",
        "trigger_mode": "always_last",
        "show_progress": "hidden",
    }
    zone.upload(
        finding.find,
        [zone, seed, known, *label],
        [shown, kept, *label],
        api_name=FIND,
        concurrency_id=FIND,
        trigger_mode="always_last",  # a picture that is dropped while another is searched is next
        show_progress_on=[shown],
    )
    if found is not None:
        names.input(finding.choose, names, [shown, kept, *label], api_name="choose", show_progress="hidden")
    kept.change(**edit, api_name="edit")  # not where nothing was found
    press.click(**edit, api_visibility="private")


def _sources(label: Sequence[Any], found: FoundPictures | None) -> tuple[gr.HTML, gr.Checkbox, gr.Dropdown]:
    """Where a picture is dropped, whether its label is known, and the list of those that were found before."""
    zone = gr.HTML("", html_template=ZONE, js_on_load=SCRIPT, elem_id="drop")
    known = gr.Checkbox(
        label="It is of the label on the left",
        info="Else labels are tried too.",
        visible=bool(label),
        elem_id="known",
    )
    names = gr.Dropdown(
        found.names if found is not None else [],
        value=None,
        label="Or one that `invert` has found",
        visible=found is not None,
        elem_id="found-names",
    )
    return zone, known, names


class Finding:
    """Answers with what was found, or with a sentence that says why nothing was.

    Args:
        finder: that searches.
        visitors: of the page.
        schema: of the labels.
        found: pictures of a file.
    """

    def __init__(
        self, finder: Finder, visitors: Visitors, schema: LabelSchema, found: FoundPictures | None = None
    ) -> None:
        self.finder, self.visitors, self.schema, self.found = finder, visitors, schema, found

    def find(
        self,
        content: Any,
        seed: Any,
        known: Any,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - Gradio tells it from a value by its default
        *label: Any,
    ) -> tuple[Any, ...]:
        """Takes the picture as text, the seed, whether the label is known, and the label.

        Returns:
            What to show, z and the label that were found; or a sentence alone.
        """
        is_here = self.visitors.watched(f"session_hash={request.session_hash}")

        def on_step(done: int, total: int) -> bool:
            progress(done / total, desc="searching")
            return is_here()

        try:
            own = label_of(self.schema, label) if known is True else None
            found = self.finder.find(content, seed, on_step, own)
        except UserError as error:
            return f"<p class='said'>{html.escape(str(error))}</p>", *(gr.skip() for _ in (0, *label))
        return self._answer(found)

    @told
    def choose(self, name: Any) -> tuple[Any, ...]:
        """Takes the name of a picture of the file; returns as `find`."""
        assert self.found is not None, "the event is there with a file alone"
        return self._answer(self.found.located(name))

    def _answer(self, found: Located) -> tuple[Any, ...]:
        return _shown(found), found.z, *values_of(self.schema, found.label)


def _shown(found: Located) -> str:
    """The picture beside its image, within the page: a file would lie in the served folder for an hour."""
    buffer = io.BytesIO()
    found.comparison.save(buffer, format="PNG")
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return (
        f"<img src='data:image/png;base64,{encoded}' alt='yours beside what was found'><p>{html.escape(found.text)}</p>"
    )
