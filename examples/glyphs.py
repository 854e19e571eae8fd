"""Characters drawn from the Japanese fonts of this machine: 1,168 classes, and the style of the font as attributes.

    python examples/glyphs.py
    cgan-dist prepare examples.glyphs:load --out data/glyphs
    cgan-dist prepare examples.glyphs:load --split test --out data/glyphs_test

The first lists the faces. No design is in both splits: of each style every second one is held out, so that a classifier
can be taught by other fonts than a generator was. Debian's packages are named in docs/results.md.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFont

from cgan_dist import AttributeLabels, ClassLabels, InMemory, ProductLabels, Source, UserError

HIRAGANA = (
    "あいうえおかがきぎくぐけげこごさざしじすずせぜそぞただちぢつづてでとど"
    "なにぬねのはばぱひびぴふぶぷへべぺほぼぽまみむめもやゆよらりるれろわをん"
)
KATAKANA = "".join(chr(ord(letter) + 0x60) for letter in HIRAGANA)
KANJI = (
    "一右雨円王音下火花貝学気九休玉金空月犬見五口校左三山子四糸字耳七車手十出女小上森人水正生青夕石赤千川先早草足"
    "村大男竹中虫町天田土二日入年白八百文木本名目立力林六"
    "引羽雲園遠何科夏家歌画回会海絵外角楽活間丸岩顔汽記帰弓牛魚京強教近兄形計元言原戸古午後語工公広交光考行高黄合"
    "谷国黒今才細作算止市矢姉思紙寺自時室社弱首秋週春書少場色食心新親図数西声星晴切雪船線前組走多太体台地池知茶昼"
    "長鳥朝直通弟店点電刀冬当東答頭同道読内南肉馬売買麦半番父風分聞米歩母方北毎妹万明鳴毛門夜野友用曜来里理話"
    "悪安暗医委意育員院飲運泳駅央横屋温化荷界開階寒感漢館岸起期客究急級宮球去橋業曲局銀区苦具君係軽血決研県庫湖向"
    "幸港号根祭皿仕死使始指歯詩次事持式実写者主守取酒受州拾終習集住重宿所暑助昭消商章勝乗植申身神真深進世整昔全相"
    "送想息速族他打対待代第題炭短談着注柱丁帳調追定庭笛鉄転都度投豆島湯登等動童農波配倍箱畑発反坂板皮悲美鼻筆氷表"
    "秒病品負部服福物平返勉放味命面問役薬由油有遊予羊洋葉陽様落流旅両緑礼列練路和"
    "愛案以衣位茨印英栄媛塩岡億加果貨課芽賀改械害街各覚潟完官管関観願岐希季旗器機議求泣給挙漁共協鏡競極熊訓軍郡群"
    "径景芸欠結建健験固功好香候康佐差菜最埼材崎昨札刷察参産散残氏司試児治滋辞鹿失借種周祝順初松笑唱焼照城縄臣信井"
    "成省清静席積折節説浅戦選然争倉巣束側続卒孫帯隊達単置仲沖兆低底的典伝徒努灯働特徳栃奈梨熱念敗梅博阪飯飛必票標"
    "不夫付府阜富副兵別辺変便包法望牧末満未民無約勇要養浴利陸良料量輪類令冷例連老労録"
    "圧囲移因永営衛易益液演応往桜可仮価河過快解格確額刊幹慣眼紀基寄規喜技義逆久旧救居許境均禁句型経潔件険検限現減"
    "故個護効厚耕航鉱構興講告混査再災妻採際在財罪殺雑酸賛士支史志枝師資飼示似識質舎謝授修述術準序招証象賞条状常情"
    "織職制性政勢精製税責績接設絶祖素総造像増則測属率損貸態団断築貯張停提程適統堂銅導得毒独任燃能破犯判版比肥非費"
    "備評貧布婦武復複仏粉編弁保墓報豊防貿暴脈務夢迷綿輸余容略留領歴"
    "胃異遺域宇映延沿恩我灰拡革閣割株干巻看簡危机揮貴疑吸供胸郷勤筋系敬警劇激穴券絹権憲源厳己呼誤后孝皇紅降鋼刻穀"
    "骨困砂座済裁策冊蚕至私姿視詞誌磁射捨尺若樹収宗就衆従縦縮熟純処署諸除承将傷障蒸針仁垂推寸盛聖誠舌宣専泉洗染銭"
    "善奏窓創装層操蔵臓存尊退宅担探誕段暖値宙忠著庁頂腸潮賃痛敵展討党糖届難乳認納脳派拝背肺俳班晩否批秘俵腹奮並陛"
    "閉片補暮宝訪亡忘棒枚幕密盟模訳郵優預幼欲翌乱卵覧裏律臨朗論"
)
"""The 1,026 of primary school by grade (Ministry of Education of Japan, table of kanji by school year, 2017).

They are those of grades 1 to 6 in KANJIDIC (Debian's package kanjidic).
"""
CHARACTERS = HIRAGANA + KATAKANA + KANJI

STYLES = {
    "pixel": r"dot|misaki",
    "brush": r"kouzan|soseki|brush",
    "handwriting": r"kiloji|seto|yoz|yusei|klee|hand",
    "rounded": r"maru|round",
    "mincho": r"mincho|hanamin|serif",
    "gothic": r"gothic|sans|plus|migmix|migu|ricty|konatu|mona|cedar",
}
"""What the name of a font says of its style; the first counts."""
LEFT_OUT = r" (HK|KR|SC|TC)\b|oblique|italic"
"""Forms of other countries, and slanted copies."""
SPLITS = ("train", "test")
FOLDER = Path("/usr/share/fonts")
SUFFIXES = (".otf", ".ttc", ".ttf")
ABSENT = "\uffff"
"""Is no character, so a font draws what it draws for those that it lacks."""
FINER = 4
"""Faces are drawn so many times larger and averaged, since small sizes are hinted or bitmaps of their own."""
EM = 7 / 8
"""Of a side."""
PROBES = 42
"""Characters by which faces are compared."""
MOST_LACKING = 1
"""Of them, in a face that counts."""
MOST_IN_COLLECTION = 64
SAME_FACE, SAME_DESIGN = 0.99, 0.9
"""Correlation of pixels, the median over probes. A design's weights are a chain of such pairs."""


@dataclass(frozen=True)
class Face:
    """One font of a file; of a variable one its default.

    Attributes:
        path: the file.
        index: in a collection.
        side: of a drawing, in pixels.
    """

    path: Path
    index: int
    side: int

    @cached_property
    def font(self) -> ImageFont.FreeTypeFont:
        """Raises OSError where there is no such font."""
        return ImageFont.truetype(self.path, round(self.side * FINER * EM), index=self.index)

    @property
    def family(self) -> str:
        """Its name without the weight, for most."""
        return self.font.getname()[0] or self.path.stem

    @property
    def name(self) -> str:
        """Family and weight."""
        return f"{self.family} {self.font.getname()[1] or ''}".strip()

    @property
    def style(self) -> str | None:
        """One of `STYLES`, if the name says so."""
        return next((style for style, words in STYLES.items() if re.search(words, self.name, re.IGNORECASE)), None)

    def draw(self, characters: str) -> NDArray[np.uint8]:
        """Returns (characters, H, W) uint8, ink 255, each in the middle, nothing where it is lacking."""
        absent = bytes(self.font.getmask(ABSENT))
        drawings = np.zeros((len(characters), self.side, self.side), np.uint8)
        for drawing, character in zip(drawings, characters, strict=True):
            mask = self.font.getmask(character)
            if all(mask.size) and bytes(mask) != absent:
                ink = Image.frombytes("L", mask.size, bytes(mask))
                drawing[:] = np.asarray(_in_the_middle(ink, self.side))
        return drawings


def load(folder: Path | None, split: str, side: int = 32, characters: str = CHARACTERS) -> Source:
    """Draws all characters in the faces of one split, black on white.

    Args:
        folder: where fonts are, at any depth; without it Debian's.
        split: `train`, or `test` for the designs that are held out.
        side: of an image, in pixels.
        characters: the classes.

    Raises:
        UserError: if there is no such split, or no face for it.
    """
    if split not in SPLITS:
        raise UserError(f"split: found {split!r}; expected {' or '.join(SPLITS)}.")
    where = folder or FOLDER
    faces = split_faces(where, side, characters)[SPLITS.index(split)]
    if not faces:
        raise UserError(
            f"{where}: found no {split} face with these {len(characters):,} characters; expected fonts of two designs. "
            "On Debian: apt install fonts-ipafont-gothic fonts-klee."
        )
    drawings = np.stack([face.draw(characters) for face in faces])
    numbers, classes = np.nonzero(drawings.any((2, 3)))
    styles = np.array([[face.style == style for style in STYLES] for face in faces], np.uint8)
    schema = ProductLabels(parts=[ClassLabels(names=list(characters)), AttributeLabels(names=list(STYLES))])
    return Source(
        labels=schema.join([classes, styles[numbers]]),
        schema=schema,
        read=InMemory(255 - drawings[numbers, classes, ..., None]),
        description=f"{len(faces)} faces of {where}",
    )


def split_faces(folder: Path, side: int = 32, characters: str = CHARACTERS) -> tuple[list[Face], list[Face]]:
    """Those of the designs to train on, and of the designs held out: every second of each style, from the largest on.

    Of several that draw alike the first is taken; those of one family or much alike are one design.
    """
    probes = characters[:: -(-len(characters) // PROBES)]
    found = {face: face.draw(probes) for face in _faces_with(folder, probes, side)}
    if not found:
        return [], []
    alike = correlations(np.stack(list(found.values())))
    families = np.array([face.family for face in found])
    designs = groups((alike > SAME_DESIGN) | (families[:, None] == families))
    different = np.unique(groups(alike > SAME_FACE))
    members: dict[int, list[Face]] = defaultdict(list)
    for number in different:
        members[designs[number]].append(list(found)[number])
    turns: dict[str | None, int] = defaultdict(int)
    parts: tuple[list[Face], list[Face]] = ([], [])
    for faces in sorted(members.values(), key=len, reverse=True):
        parts[turns[faces[0].style] % 2].extend(faces)
        turns[faces[0].style] += 1
    return parts


def correlations(drawings: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(F, P, H, W) -> (F, F), of the pixels of each character, the median over characters that both have."""
    pixels = drawings.reshape(*drawings.shape[:2], -1).astype(np.float32)
    pixels -= pixels.mean(2, keepdims=True)
    pixels /= np.maximum(np.linalg.norm(pixels, axis=2, keepdims=True), 1e-6)
    return np.median(np.einsum("apx,bpx->pab", pixels, pixels, optimize=True), axis=0)  # type: ignore[no-any-return]


def groups(near: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(F, F) which are near each other -> (F,), the first of all that a chain leads to."""
    for _ in range(len(near).bit_length()):
        near = near @ near
    first: NDArray[np.int64] = near.argmax(1)
    return first


def _faces_with(folder: Path, characters: str, side: int) -> Iterator[Face]:
    for path in sorted(folder.rglob("*")):
        for index in range(_fonts_in(path)):
            face = Face(path, index, side)
            try:
                left_out = re.search(LEFT_OUT, face.name, re.IGNORECASE)
                drawings = face.draw("" if left_out else characters)
            except OSError:  # damaged, at once or at one character
                continue
            if len(set(_as_bytes(drawings))) >= max(len(characters) - MOST_LACKING, 1):
                yield face


def _as_bytes(drawings: NDArray[np.uint8]) -> list[bytes]:
    """Those that are there; what is drawn for all that is lacking counts once."""
    return [drawing.tobytes() for drawing in drawings if drawing.any()]


def _fonts_in(path: Path) -> int:
    """How many fonts a file holds: none if it is no font or a link to one."""
    if path.suffix.lower() not in SUFFIXES or path.is_symlink() or not path.is_file():
        return 0
    with path.open("rb") as file:
        tag, _, count = file.read(4), file.read(4), int.from_bytes(file.read(4))
    return min(count, MOST_IN_COLLECTION) if tag == b"ttcf" else 1


def _in_the_middle(mask: Image.Image, side: int) -> Image.Image:
    """Ink of any size, larger than needed -> (side, side), smaller only where it would not fit."""
    fine = side * FINER
    mask.thumbnail((fine, fine))
    canvas = Image.new("L", (fine, fine))
    canvas.paste(mask, ((fine - mask.width) // 2, (fine - mask.height) // 2))
    return canvas.reduce(FINER)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), default=FOLDER)
def main(folder: Path) -> None:
    """Lists the faces of both splits below FOLDER, by style."""
    for split, faces in zip(SPLITS, split_faces(folder), strict=True):
        click.echo(f"{split}: {len(faces)} faces")
        for style in (*STYLES, None):
            if names := [face.name for face in faces if face.style == style]:
                click.echo(f"  {style or 'of no known style'}: {', '.join(names)}")


if __name__ == "__main__":
    main()
