"""What students call hyperparameters and effects, in English and in Chinese, and how a text is cut into sentences.

Every line of a word list is a regular expression. Latin words are bounded by lookarounds, not by a word boundary: to a
regular expression a Chinese character is a word character, so that a boundary would miss the lr in "lr變大".
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Said = Literal[
    "faster",
    "slower",
    "diverges",
    "oscillates",
    "converges",
    "not-converged",
    "stays",
    "closer",
    "farther",
    "no-change",
]


LONGEST_WORD = 40  # also of digits in a row, and of words that are repeated


_ENDLESS = re.compile(r"(?<=[\w\])])[*+]")


def _list(latin: str, chinese: str = "") -> re.Pattern[str]:
    r"""Compile a word list, one expression a line; Latin ones stand alone, Chinese ones anywhere.

    A repeat without an end, `\w*`, is one of at most `LONGEST_WORD` here: at each place of a text a list then takes a
    bounded number of steps, whatever a student writes.
    """
    alone = "|".join(line.strip() for line in latin.splitlines() if line.strip())
    anywhere = [line.strip() for line in chinese.splitlines() if line.strip()]
    words = "|".join([rf"(?<![A-Za-z_])(?:{alone})(?![A-Za-z_])", *anywhere])
    bounded = _ENDLESS.sub(lambda sign: f"{{{'01'[sign.group() == '+']},{LONGEST_WORD}}}", words)
    return re.compile(bounded, re.IGNORECASE)


# -- what a text speaks of -----------------------------------------------------------------------------

_START = r"""
    initial(?:i[sz]ation)?
    start(?:s|ed|ing)?
    init
"""
_START_ZH = r"""
    初始|初值
    起始|起點|起点
    開始的位置|开始的位置
    [從从由] ?[-−]?[\d.]+ ?[開开]始
"""

NAMES: dict[str, re.Pattern[str]] = {
    "lr": _list(
        r"""
        learning[ _-]*rates?
        step[ _-]*sizes?
        lrs?
        eta|alpha|rates?
        """,
        """
        學習率|学习率|學習速率|学习速率|學習速度|学习速度
        步長|步长|步幅
        η|α
        """,
    ),
    "iteration": _list(
        r"""
        iterations?|iters?|n_?iters?
        epochs?
        (?:number of |more |fewer )(?:training )?(?:steps|updates)
        """,
        """
        迭代|疊代|叠代|迴圈|回合
        (?:訓練|训练|更新)?(?:次數|次数)
        步數|步数|輪數|轮数
        """,
    ),
    "b": _list(_START, _START_ZH),  # everything in this homework speaks of b and w: only where they start is chosen
    "w": _list(_START, _START_ZH),
    "momentum": _list(r"momentum|gamma|beta|mu|lambda|m", "動量|动量|慣性|惯性|γ|β|λ|μ"),
    "rho": _list(r"rho|decay(?: rate)?|alpha|gamma|beta", "衰減|衰减|ρ|α|γ|β"),
    "eps": _list(r"eps(?:ilon)?", "ε|ϵ"),
    "schedule": _list(r"decay(?:s|ed|ing)?|schedules?|annealing|warm[ -]?up", "衰減|衰减|遞減|递减|排程|退火"),
    "beta1": _list(r"beta_?1?|momentum", "β1?|β₁"),
    "beta2": _list(r"beta_?2?", "β2?|β₂"),
    "batch": _list(r"(?:mini-?)?batch(?:[ _-]?size)?", "批次|批量|小批"),
    "data": _list(r"data(?:set)?|data points?|samples?|outliers?|x_data|y_data", "資料|数据|數據|樣本|样本|離群|异常"),
    "optimizer": _list(
        r"optimi[sz]ers?|methods?|algorithms?|update rules?",
        "優化器|优化器|最佳化|演算法|算法|方法|更新規則|更新规则",
    ),
}
LETTERS: dict[str, re.Pattern[str]] = {
    "b": _list(r"b|bias|intercept", "偏差|偏置|偏移|截距"),
    "w": _list(r"w|weights?|slope", "權重|权重|斜率"),
}
RULES: dict[str, re.Pattern[str]] = {
    "gd": _list(r"(?:plain |vanilla |standard |ordinary |stochastic )?gradient descent|s?gd", "(?:隨機|随机)?梯度下降"),
    "momentum": _list(r"momentum|heavy ball", "動量|动量"),
    "nesterov": _list(r"nesterov|nag"),
    "adagrad": _list(r"ada-?grad"),
    "rmsprop": _list(r"rms-?prop"),
    "adam": _list(r"adam"),
}

# Iterations as a unit or as what was held constant: they say how long, and not what was changed.
MEASURE = _list(
    r"""
    (?:in|within|after|for|with) (?:\w+ )?(?:same number of|a few|several|fewer) (?:iterations?|steps|epochs|updates)
    (?:in|within|after|for|with) (?:only |about |around |just |all |the )*[\d,]+k? (?:iterations?|steps|epochs|updates)
    (?:takes?|took|needs?|needed|requires?) (?:\w+ ){0,6}(?:iterations?|steps|epochs|updates)
    the same (?:number of )?(?:iterations?|steps|epochs)
    """,
    r"""
    (?:同樣|同样|相同|一樣|一样)的?(?:迭代|訓練|训练|更新)*(?:次數|次数|步數|步数)
    (?:[跑走經经過过迭代了完在第更新訓練训练]+ ?)[\d,萬万]+ ?(?:多)?(?:次|步|輪|轮|個|个)(?:迭代|疊代)?
    [\d,萬万]+ ?(?:次|步|輪|轮)的?(?:迭代|疊代|更新|訓練|训练)?(?:之?[後后]|以[後后]|之?[內内])
    (?:需要|要|花)[^，。,]{0,4}(?:迭代|疊代|步)(?:次數|次数)?
    """,
)

# What was held constant, "with the same learning rate", is no effect; "gives the same result" is one.
HELD = _list(
    r"""
    (?:with|at|for|from|under|using|keeping|within) (?:exactly |all )?the same (?:[a-z]+ ){0,2}[a-z]+
    """,
    r"""
    (?:在|用|以|從|从|使用)?(?:同樣|同样|相同|一樣|一样)的?(?:起點|起点|起始|初始|學習率|学习率|資料|资料|數據|数据|參數|参数|設定|设定|條件|条件)[^，。,；]{0,4}(?:下|時|时)?
    """,
)

# -- what it says happened -----------------------------------------------------------------------------

_HOW_MUCH = r"(?:much |even |a bit |a little |a lot |slightly |far |way |significantly |noticeably )?"
_LOSS = r"(?:loss|error|cost)"
_LOSS_ZH = "(?:損失|损失|loss|誤差|误差)[^，。,]{0,6}"
_GOAL = r"(?:the |a |its )?(?:\w+ )?(?:minim\w*|optim\w*|target|goal|cross|x mark|solution|answer|bottom)"
_RISE = r"(?:growing|increasing|rising|going up|climbing)"
_RISE_ZH = (
    "(?:越來越大|越来越大|越來越高|越来越高|一直(?:變大|变大|上升|增加)|一路(?:往上|向上|上升|飆|飙)"
    "|不降反升|暴增|飆升|飙升|衝上|冲上)"
)
_LOSS_ZH_STILL = "(?:損失|损失|loss|誤差|误差)[^，。,]{0,3}(?:還|还|仍)[^，。,]{0,3}(?:高|大)"
_ARRIVE = r"(?:converg\w*|reach\w*|arriv\w*|g[eo]ts? (?:there|to))"
_ARRIVE_ZH = "(?:收斂|收敛|到達|到达|抵達|達到|达到|走到|到最)"

EFFECTS: dict[Said, re.Pattern[str]] = {
    "no-change": _list(
        r"""
        no (?:visible |obvious |significant |noticeable |real |big |clear )?(?:changes?|differences?|effects?|impact)
        (?<!reach )(?<!reaches )(?<!reached )the same(?! (?:number|amount|steps?|iterations?|time|data|start))
        similar(?:ly)?|identical|unchanged
        (?:does|do|did)(?: not|n't) (?:change|matter|make a difference)
        hardly (?:changes?|differs?)
        """,
        """
        (?:沒有?|没有?|無|无)(?:什麼|什么|太大|明顯|明显|顯著|显著|太多)*的?(?:變化|变化|差別|差别|差異|差异|影響|影响|改變|改变|不同|區別|区别)
        幾乎一樣|几乎一样|差不多|一樣的(?!迭代|次|步)|一模一樣|不變|不变|相同(?!的?(?:迭代|次|步|條件|条件|起))
        (?:影響|影响|變化|变化|差異|差异|差別|差别)不大
        """,
    ),
    "diverges": _list(
        r"""
        diverg\w*
        explod\w*|blow(?:s|n|ing)? up|blew up
        overflow\w*|nan|infinit\w*|inf
        """
        rf"{_LOSS}s? (?:only |just |always )?(?:goes|went) up"
        "\n"
        rf"{_LOSS}s? (?:\w+ )?(?:keeps?|kept|just keeps?|is|are|was|starts?|started) {_RISE}",
        f"""
        發散|发散
        爆炸|爆掉|炸|溢位|溢出|爆表
        無限大|无限大|無窮|无穷
        (?:損失|损失|loss|誤差|误差)[^，。,]{{0,4}}{_RISE_ZH}|不降反升
        """,
    ),
    "oscillates": _list(
        r"""
        oscillat\w*|bounc\w*|zig-?zag\w*|swing\w*|jump\w*
        overshoot\w*|overshot
        unstable|back and forth|side to side
        """,
        """
        震盪|震蕩|震荡|振盪|振蕩|振荡|擺盪|摆荡|擺動
        來回|来回|[跳彈弹]來[跳彈弹]去|[跳弹]来[跳弹]去|抖動|抖动
        不穩定|不稳定
        """,
    ),
    "slower": _list(
        r"slow(?:er|est|ly|s|ed|ing)?(?: down)?|sluggish\w*|crawl\w*|(?:much |far |a lot |even |no )later"
        "\n"
        rf"(?:tak(?:es?|ing)|took) {_HOW_MUCH}a? ?(?:long(?:er)?|more)(?: (?:time|steps|iterations))?"
        "\n"
        r"(?:need(?:s|ed)?|requires?|takes?|took) (?:\w+ ){0,2}(?:more|times as many) (?:time|steps|iterations)",
        """
        慢|緩|缓
        較久|较久|更久|耗時|耗时
        需要更多|要更多
        (?:需要|要|花)了?[^，。,]{0,4}倍的?(?:迭代|疊代|步|次|時間|时间)
        """,
    ),
    "faster": _list(
        r"""
        fast(?:er|est)?|quick(?:er|ly)?|rapid(?:ly)?
        f[au]rther (?:along|down the valley|in the same)
        speeds?(?: it)? up|sped up|accelerat\w*
        sooner|earlier|less time
        (?:in|needs?|needed|takes?|took|requires?|with|after|within) (?:\w+ ){0,2}fewer (?:iterations|steps|updates)
        """,
        r"""
        快(?!要)
        加速|迅速
        速度[^，。,]{0,6}(?:提升|提高|增加)
        速度(?:是|為|为)(?![^，。,]{0,16}(?:0\.|分之))[^，。,]{1,16}倍
        [走跑移前][^，。,離离]{0,4}(?:更|較|较)[遠远]
        更早|較早|较早
        """,
    ),
    "closer": _list(
        r"closer|closest|nearer|better|improv\w+"
        "\n"
        rf"(?:lower|smaller|less) (?:final )?{_LOSS}"
        "\n"
        rf"{_LOSS} (?:is|was|becomes?|became|gets?|got) {_HOW_MUCH}(?:lower|smaller)",
        f"""
        (?:更|較|较|越來越|越来越|越)(?:為|为)?(?:接近|靠近|逼近|貼近|贴近)
        (?:離|离|距)[^，。,]{{0,8}}(?:更近|較近|较近)
        {_LOSS_ZH}(?:更小|較小|较小|變小|变小|更低|較低|较低|降低|下降)
        更好|較好|较好|變好|变好|改善
        """,
    ),
    "farther": _list(
        r"f[au]rther(?: away)?(?! along| down| in the same)|worse"
        "\n"
        rf"(?:higher|larger|bigger) (?:final )?{_LOSS}"
        "\n"
        rf"{_LOSS} (?:is|was|becomes?|became|gets?|got) {_HOW_MUCH}(?:higher|larger|bigger)",
        f"""
        (?<!得)(?<!得比)(?:更遠|更远|較遠|较远)
        {_LOSS_ZH}(?:更大|較大|较大|變大|变大|更高|較高|较高|上升|變高|变高)
        更差|較差|较差|變差|变差
        越[跑走]越[遠远]
        """,
    ),
    "not-converged": _list(
        r"(?:not|never|cannot|no longer|fail(?:s|ed)? to|unable to|yet to|without)"
        rf" ?(?:yet |fully |really |quite |be able to |even )*{_ARRIVE}"
        "\n"
        rf"[a-z]+n't (?:yet |fully |really |quite |even )*{_ARRIVE}"
        "\n"
        r"(?:gets?|got|is|was) stuck|(?:stop|end)(?:s|ped|ed)? (?:too early|before|halfway|half ?way)"
        "\n"
        r"not enough|(?:far|a long way) (?:away )?(?:from|above|off)"
        "\n"
        rf"{_LOSS} (?:\w+ )?still (?:\w+ )?(?:high|large|big)",
        f"""
        (?:還沒有?|还没有?|尚未|仍未|並未|并未|没有?|沒有?|無法|无法|不能|不會|不会|未能|未|來不及|来不及)[^，。,]{{0,4}}{_ARRIVE_ZH}
        不收斂|不收敛|收斂不了|收敛不了|到不了|走不到
        卡住|停滯|停滞|不夠|不够|不足
        很遠|很远|還差|还差
    (?:停|卡|還|还)在?了?(?:半路|途中|中途|半途|半山腰)
        [離离距][^，。,]{{0,8}}(?:一大?段|不少|很大的?)距[離离]
        {_LOSS_ZH_STILL}
        """,
    ),
    "stays": _list(
        r"(?:hardly|barely|scarcely) (?:\w+ )?(?:mov\w+|gets? (?:off|anywhere|away)|got|left|leaves?|changes? its)"
        "\n"
        r"(?:stays?|stayed|remains?|remained) (?:\w+ )?(?:near|at|close to|around) (?:the |its |where)",
        """
        (?:幾乎|几乎|根本|完全|都)(?:不太|沒什麼|没什么|沒有?|没有?|不)(?:會|会|在|怎麼|怎么)?(?:動|动|走|移動|移动|前進|前进|進展|进展)
        [學学走動动]不動|[学走动]不动
        (?:停|留|待|卡)在(?:原地|原點|起點|起点|初始)
        """,
    ),
    "converges": _list(
        r"converg\w*|close to|(?:very |quite )near (?:to )?the"
        "\n"
        rf"(?:reach|arriv|get|got|goes|comes?)(?:e[sd]?|s|ed|ing)? (?:to |at )?{_GOAL}",
        """
        收斂|收敛
        接近|靠近|逼近
        (?:到達|到达|抵達|達到|达到|走到|衝到|冲到)[^，。,]{0,4}(?:最|目標|目标|終點|终点|標記|标记)
        """,
    ),
}

# -- how it is said --------------------------------------------------------------------------------------

NEGATION = _list(
    r"""
    not|never|no|neither|nor|without|cannot
    hardly|barely|less
    instead of|rather than
    [a-z]+n't
    """,
    "不(?![少錯错僅仅只斷断同過过])|沒|没|[無无](?![限窮穷])|未|非(?!常)|(?<![特分差級级個个類类區区])[別别]",
)
HEDGE = _list(
    r"""
    may|might|could|can|would|should|want\w*|try|let's|hope\w*
    range|within|if|when|whenever|unless|until|otherwise|although|though|except
    usually|generally|often|sometimes|tends?|almost|only|too(?= [a-z])
    probably|maybe|possibly|perhaps|seems?|appears?|looks?|looked
    but|however|yet|actually|in fact|instead|nevertheless|still
    expect\w*|think|thought|guess|theor\w+|suppos\w+|predict\w*|assum\w+|hypothes\w+
    """,
    """
    可能|也許|也许|或許|或许|似乎|好像|看似|看起來|看起来|看上去|表面
    但|可是|不過|不过|卻|却|然而|反而|其實|其实|事實上|事实上|實際上|实际上|代表|表示
    如果|若|假如|假設|假设|要是|當|当|除非|否則|否则|雖|虽
    通常|一般|容易|應該|应该|會不會|会不会|理應|照理|本來|(?<![比跟與和与同較较])原本
    認為|认为|覺得|觉得
    理論|理论|預期|预期|預測|预测|以為|以为|猜|想|希望|為了|为了
    太|過大|过大|過小|过小|過高|过高|過低|过低
    範圍|范围|之內|以内|以內
    [?？]
    """,
)
PHASE = _list(
    r"""
    at first|first|initially|in the beginning|at the beginning|at the start|early
    later|finally|eventually|in the end|at the end|toward\w*
    """,
    """
    一開始|一开始|起初|剛開始|刚开始|前期|初期|前面
    後期|后期|後來|后来|最後|最后|最終|最终|後面|后面|到了
    """,
)
UP = _list(
    r"""
    large|larger|big|bigger|high|higher|great|greater|huge|more|longer
    increas\w*|rais\w*|rising|doubl\w*|up
    """,
    """
    大|高|多
    提升|增|加到|拉長|拉长|加倍
    """,
)
DOWN = _list(
    r"""
    small|smaller|low|lower|less|tiny|fewer|shorter
    decreas\w*|reduc\w*|halv\w*|down
    """,
    """
    小|低|少
    減|减|縮短|缩短
    """,
)

# "Reaches huge values very fast" says nothing of convergence and compares with nothing.
OF_SPEED = _list(
    r"converg\w*|train\w*|learn\w*|faster|fastest|quicker|slower|slowest|speeds?|sooner|fewer",
    "收斂|收敛|訓練|训练|速度|[更較较變变加最]快|[更較较變变最]慢|[快慢](?:很多|得多|一點|一点|些|了)",
)
# Words that change nothing in what a sentence claims; a sentence of these, names, values and effects alone is plain.
FILLER = _list(
    r"""
    the|an?|this|that|it|its|we|i|our|my|you|there|here|now|so|thus|therefore|hence|and|also|as
    with|of|to|at|in|on|by|from|for|after|into|using|use[sd]?|try|tried|set(?:ting)?|choose|chose|chosen|having
    is|are|was|were|be|been|becomes?|became|gets?|got|goes|makes?|made|making|gives?|has|have|had|does|did|do
    chang(?:e|es|ed|ing)|we (?:can )?see|see|seen|shows?|result(?:s|ed|ing)?|leads?|caus(?:e|es|ed|ing)|lets?
    training|trains?|learns?|learning|model|run|curve|descent|gradient|parameters?|values?|update[sd]?|default|new|same
    losses|loss|error|cost|final|finally|convergence|minim\w*|optim\w*|solution|point|reach(?:es|ed)?|speeds?|rates?
    iterations?|steps|few|times|fold|ten|two|five|hundred
    much|more|even|very|far|really|clearly|obviously|significantly|noticeably|considerably|a lot|a bit|slightly|well
    best|good|great|works?|too|enough|version|ones?|lower(?:ing|ed)|raising|ends?|ended|because|since|becomes|when|than|before|originally|previously|original|previous
    """,
    """
    這個|这个|這|这|那|我們|我们|我|它|由圖|由图|從圖|可知|可見|可见|可以|看出|看到|發現|发现|觀察|观察|知道|結果|结果|結論|结论
    的|了|是|會|会|就|之[後后]|以[後后]|後|后|時|时|時候|时候|把|將|将|用|使用|調|调|改|換|换|成|為|为|到|至|設|设|定|變|变|得|地
    更|很|較|较|比較|比较|最|非常|明顯|明显|顯著|显著|大幅|許多|许多|不少|一點|一点|些|越|愈|也|都|讓|让|使|令|導致|导致|造成|因為|因为|由於|由于|所以|因此
    訓練|训练|模型|參數|参数|速度|速率|曲線|曲线|函數|函数|損失|损失|誤差|误差|下降|最佳解|最低點|最低点|最小值|最優|最优|終點|终点|解|次數|次数|次|步
    學習|学习|增加|提高|提升|降低|減少|减少|減小|减小|增大|加大|原來|原来|原本|之前|以前|倍|十|幾|几|成功|順利|顺利|效果|好|再
    佳|點|点|功|值|降|提|加|往|移動|移动|比|跟|和|與|与
    """,
)
CACHE = 8192  # the same few sentences are read for every change
LONGEST_SENTENCE = 1000  # characters

# -- sentences, clauses, comparisons ---------------------------------------------------------------------

_OPENS = re.compile(r"(?<![A-Za-z0-9_)])(?=(?P<mark>\*\*|__)\S)")
_CLOSES = {mark: re.compile(rf"(?<=\S)(?={re.escape(mark)}(?![A-Za-z0-9_(]))") for mark in ("**", "__")}
_SENTENCE = re.compile(
    r"(?<=[。！？!?；;])|(?<!e\.g\.)(?<!i\.e\.)(?<!vs\.)(?<=[^\W_]{2}\.)(?=\s)|(?<=[)%\"'\d]\.)(?=\s)|\n"
)
_CLAUSE = re.compile(
    r"[，,；;：:]"
    r"|(?<=\s)(?:but|while|whereas|however|although|though|yet|and then|because|since)(?=\s)"
    r"|但是?|而且?|不過|不过|可是|然而|卻|却|因為|因为|所以",
    re.IGNORECASE,
)
_OBJECT = re.compile(
    r"(?:than|compared (?:to|with)|in comparison (?:to|with)|relative to|unlike|instead of|rather than)\s[^,.;，。；]*"
    r"|(?:比起|相較於|相較|相较于|相比於|相比于|相对于|相對於|不像|不同於)[^，,。；]*"
    r"|(?:與|和|跟|同)[^，,。；]{1,30}?(?:相比|相較|比較起來|比起來)"
    r"|比(?!較|较|例|起)[^，,。；]{1,30}?(?=更|還|还|收|快|慢|好|差|來|来|要|大|小|高|低|早|晚|接近|靠近|少|多)",
    re.IGNORECASE,
)


def sentences(text: str) -> tuple[str, ...]:
    """Cut a text after full stops of both scripts and at line ends, never inside 0.001; Markdown's emphasis goes.

    >>> sentences("**Effect.** It is __faster__ than (y - b)**2 + w**2.")
    ('Effect.', 'It is faster than (y - b)**2 + w**2.')
    """
    parts = (part.strip(" \t*#>-|") for part in _SENTENCE.split(_bare(text)))
    return tuple(piece for part in parts if part for piece in _pieces(part))


def _pieces(sentence: str) -> Iterator[str]:
    """Cut what is longer than anybody's sentence, at a comma where it has one."""
    while len(sentence) > LONGEST_SENTENCE:
        comma = max(sentence.rfind(sign, 1, LONGEST_SENTENCE) for sign in "，, ")
        end = comma + 1 if comma > 0 else LONGEST_SENTENCE
        yield sentence[:end]
        sentence = sentence[end:]
    if sentence:
        yield sentence


def _bare(text: str) -> str:
    """Leave out the marks of Markdown's emphasis: each that opens, with the next one of its line that closes."""
    return "\n".join(map(_without_marks, text.split("\n")))


def _without_marks(text: str) -> str:
    closing = {mark: [match.start() for match in pattern.finditer(text)] for mark, pattern in _CLOSES.items()}
    kept: list[str] = []
    end = 0
    for opens in _OPENS.finditer(text):
        ends = closing[opens["mark"]]
        begin = opens.start() + 2
        after = bisect_right(ends, begin)
        if opens.start() < end or after == len(ends):
            continue
        kept += text[end : opens.start()], text[begin : ends[after]]
        end = ends[after] + 2
    return "".join((*kept, text[end:]))


@lru_cache(CACHE)
def clauses(sentence: str) -> tuple[str, ...]:
    """Cut a sentence where its subject or its direction may turn; a comma inside a number stays."""
    whole = re.sub(r"(?<=\d),(?=\d{3})", "", sentence)
    whole = re.sub(r"(?<=\d)[,，](?=\s{0,9}[-−]?\.?\d[\d.eE+-]{0,40}\s{0,9}[)）])", " ", whole)  # the pair (-120, -4)
    return tuple(part.strip() for part in _CLAUSE.split(whole) if part and part.strip())


@lru_cache(CACHE)
def question(sentence: str) -> bool:
    """Say whether a sentence asks: it says nothing of what happened."""
    return re.search(r"(?:[?？]|[嗎吗])[\s\"”」』)）*_]*$", sentence) is not None


@lru_cache(CACHE)
def apart(sentence: str) -> tuple[str, str]:
    """Part a comparison into what is spoken of and what it is compared with."""
    objects = " ".join(match.group() for match in _OBJECT.finditer(sentence))
    return _OBJECT.sub(" ", sentence), objects


@lru_cache(CACHE)
def plain(sentence: str) -> bool:
    """Say whether a sentence has nothing but names, values, effects and words that change nothing.

    "The loss improves for exactly one step" is not plain: whoever contradicts it must know what "exactly one" means.
    """
    rest = _TIMES.sub(" ", _POWER.sub(" ", sentence))
    rest = _NUMBER.sub(" ", _SPELLED.sub(" ", rest))
    for pattern in (*EFFECTS.values(), *NAMES.values(), *LETTERS.values(), *RULES.values(), UP, DOWN, MEASURE, FILLER):
        rest = pattern.sub(" ", rest)
    return re.search(r"[^\W_]", rest) is None


# -- numbers ---------------------------------------------------------------------------------------------

_TIMES = re.compile(
    r"(?:(?<!\d)\d{1,40}+(?:\.\d{1,40}+)?|[十百千萬万]{1,9})\s{0,9}"
    r"(?:倍|[x×](?![\d ]{0,40}10)|-?fold|times(?![A-Za-z]))",
    re.IGNORECASE,
)
_POWER = re.compile(
    r"(?<![\w.^])(?P<sign>[-−]?)(?:(?P<mantissa>\d{1,40}+(?:\.\d{0,40}+)?|\.\d{1,40}+)\s{0,9}(?:[*×x·]|\\times|\\cdot)\s{0,9})?"
    r"10\s{0,9}(?:\*\*|\^)\s{0,9}[{(]?(?P<power>[-−]?\d++)[})]?"
)
_NUMBER = re.compile(
    r"(?<![A-Za-z_\d.^])(?P<plain>[-−]?(?:\d[\d,]*+\.?\d*+|\.\d++)(?:[eE][-+−]?\d++)?)"
    r"\s{0,9}(?P<unit>萬|万|千|百萬|百万|k(?![A-Za-z])|million)?"
)
_SPELLED = re.compile(
    r"(?<![\d ])[一二兩两三四五六七八九十百千][一二兩两三四五六七八九十百千萬万]{0,20}(?<=[十百千萬万])"
)
_DIGITS = {"一": 1, "二": 2, "兩": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_TENS = {"十": 10, "百": 100, "千": 1000}
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_UNITS = {"萬": 1e4, "万": 1e4, "千": 1e3, "百萬": 1e6, "百万": 1e6, "k": 1e3, "million": 1e6}


@lru_cache(CACHE)
def values(text: str) -> frozenset[float]:
    """Read the numbers of a text: 1e-6, 0.000001, 10^-6, 10⁻⁶, 2×10^-7, 200,000 and 20萬; but no "10 times"."""
    spelled = re.sub(r"10([⁻⁰¹²³⁴-⁹]+)", lambda m: "10^" + m.group(1).translate(_SUPERSCRIPT), text)
    powers = [_power(match) for match in _POWER.finditer(spelled)]
    rest = _TIMES.sub(" ", _POWER.sub(" ", spelled))
    plain = (_plain(match) for match in _NUMBER.finditer(rest))
    characters = (_characters(match.group()) for match in _SPELLED.finditer(rest))
    return frozenset(v for v in (*powers, *plain, *characters) if v is not None)


def _characters(text: str) -> float:
    """Read 十萬 or 兩千: what stands before a power of ten counts it."""
    total = part = digit = 0
    for letter in text:
        if letter in "萬万":
            total, part, digit = (total + (part + digit or 1)) * 10_000, 0, 0
        elif letter in _TENS:
            part, digit = part + (digit or 1) * _TENS[letter], 0
        else:
            digit = _DIGITS[letter]
    return float(total + part + digit)


def _ascii(text: str) -> str:
    return text.replace("−", "-").replace(",", "")


def _power(match: re.Match[str]) -> float | None:
    try:
        size = float(match["mantissa"] or "1") * 10.0 ** int(_ascii(match["power"]))
    except (ValueError, OverflowError):
        return None
    return -size if match["sign"] else size


def _plain(match: re.Match[str]) -> float | None:
    try:
        return float(_ascii(match["plain"])) * _UNITS.get((match["unit"] or "").lower(), 1.0)
    except ValueError:
        return None


# -- what a clause says ------------------------------------------------------------------------------------


@lru_cache(CACHE)
def effects(text: str) -> tuple[Said, ...]:
    """List what a clause says happened; "converges faster" is about speed, "does not converge" about arriving."""
    found: list[Said] = []
    rest = HELD.sub(" ", text)
    for name, pattern in EFFECTS.items():
        if pattern.search(rest):
            found.append(name)
            if name in ("no-change", "not-converged", "stays"):
                rest = pattern.sub(" ", rest)
    if "converges" in found and {"faster", "slower", "closer"} & set(found):
        found.remove("converges")
    if "diverges" in found:  # "diverges faster"
        found = [each for each in found if each not in ("faster", "slower")]
    return tuple(found)


@lru_cache(CACHE)
def negated(text: str, effect: Said) -> bool:
    """Say whether an effect's word stands shortly after a negation."""
    match = EFFECTS[effect].search(text)
    if match is None or effect in ("no-change", "not-converged", "stays"):
        return False
    before = text[max(0, match.start() - 24) : match.start()]
    return NEGATION.search(before) is not None or _follows(text, match.end())


def _follows(text: str, end: int) -> bool:
    """Say whether a negation begins within two letters: 快不了, but not 快了不少."""
    match = NEGATION.search(text, end)
    return match is not None and match.start() < end + 2


@lru_cache(CACHE)
def direction(text: str, name: str) -> int:
    """Say whether a text speaks of a larger (1) or smaller (-1) hyperparameter; 0 where neither or both are near it."""
    for effect in ("faster", "slower", "closer", "farther"):
        text = EFFECTS[effect].sub(" ", text)  # "the loss is higher" is no higher learning rate
    found = set()
    for mention in NAMES.get(name, NAMES["optimizer"]).finditer(text):
        window = text[max(0, mention.start() - 18) : mention.start()] + " " + text[mention.end() : mention.end() + 14]
        found |= {sign for sign, words in ((1, UP), (-1, DOWN)) if words.search(window)}
    return found.pop() if len(found) == 1 else 0
