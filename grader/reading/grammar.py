"""The small words that turn, soften or bound a statement, in English and Chinese; what it is about is a lexicon's.

Groups of phrases as `grader.reading.phrases` reads them. The longest phrase at a place decides, so that
"not only" and 不斷 are no denials although they begin with words that are.
A dot before the name of a group keeps it apart from the groups of a lexicon.
"""

from __future__ import annotations


def _phrases(text: str) -> tuple[str, ...]:
    """The phrases of a table, which commas part."""
    return tuple(phrase.strip() for phrase in text.split(",") if phrase.strip())


GRAMMAR: dict[str, tuple[str, ...]] = {
    # What denies all that follows it in its clause.
    "·denial": _phrases(
        """
        not, n't, never, no, cannot, without, neither, nor, hardly, none, nothing, fails? to, refus* to, lack*,
        ignor*, isnt, doesnt, dont, wont, cant, impossible, the opposite of, far from,
        不, 沒, 沒有, 無, 無法, 未, 未曾, 非, 並非, 並不, 並沒有, 毫不, 毫無, 從不, 從未, 絕不, 完全不, 不會,
        不是, 不再, 不能, 不需要, 不用, 不必, 無需, 無須, 忽略, 不考慮, 拒絕, 放棄, 免(去|除), 勿,
        別再, 省(去|略),
        """
    ),
    # What denies a whole sentence.
    "·untrue": _phrases(
        """
        it (is|would be) (not true|false|wrong|untrue|incorrect|a mistake) (that|to say|to think), it is not the case,
        (這|以下|下面)(的)?(說法|敘述|話)(都|全)?(是|並)?(錯|不對|不正確|不成立), 並不是說, 並非如此, 說錯了,
        """
    ),
    # What denies the thing that follows it, up to who does what instead.
    "·instead": _phrases(
        """
        instead of, rather than, as opposed to, in place of, other than, in lieu of, replac*, substitut* for,
        get* rid of, abandon*, discard*, no longer, avoid*, prevent*,
        而不是, 而非, 避免, 防止, 取代, 代替, 替換, 替代, 捨棄, 拋棄, 不像, 有別於, 不同於,
        """
    ),
    # What looks like a denial and is none.
    "·no-denial": _phrases(
        """
        not…(only|solely), n't…(only|solely), not (only|just|merely|simply|solely), no matter, no doubt,
        not to mention, no problem, nothing but, can not only, does not only, not until, not all, not every,
        not necessarily, not always, no (more|less|fewer) than, (whether|if) or not, why not, not bad,
        non (convex|stationary|linear), (cannot|can not|n't|not) (help|emphasize), not as, without (any)? doubt,
        no wonder,
        不(只|僅|但|斷|管|論|過|錯|久|少|同|一|得不|然|妨|外乎|禁|時|停地|亞於|可或缺|可避免), 不只是, 不僅僅?,
        不變, 不如, 不一(樣|定|致), 並不(只|僅), 無論, 無(限|窮|偏|疑|非), 未(來|必), 不是…就是,
        非(零|常|凡|凸|線性|平穩|穩態|得), 是否, 是不是, 能不能, 會不會, 有沒有, 要不要, 除非, 沒錯, 若非, 莫非,
        無時無刻, 不平穩, 不穩定?, 不準確?, 不良, 不足, 不等(式|於), 不好, 不當, 不易, 分辨, 別的, 不(知|太|太會),
        不對稱, 差不多, 了不起, 不(得|可)已, 毫無疑問,
        """
    ),
    # Where the scope of a denial ends, beside commas.
    "·turn": _phrases(
        """
        but, actually, in fact, in reality, however, instead, because, since, so that, therefore, thus, hence,
        whereas, while, although, though, yet, which (makes|means|leads|is why),
        and (so|then|thus|therefore|instead|it),
        and (moves?|updates?|uses?|takes?|goes|starts?|computes?|keeps?|steps?|divides?|adds?) , so it, so the,
        但, 但是, 而是, 可是, 不過, 然而, 反而, 而會, 而且, 所以, 因此, 於是, 因而, 從而, 就, 便,
        改(用|採), 卻, 則, 以(便|致), 其實, 後來, 事實上, 實際上, 也就是, 以(避免|防止),
        """
    ),
    "·instead-ends": _phrases(
        """
        by, with, it, we, they, you, i, is, are, was, uses?, takes?, keeps?, computes?,
        的(做法|方式|方法), 會, 是, 它, 我們, 用, 改用, 每次,
        """
    ),
    # Somebody else's words, or a mistake that is told as one.
    "·hearsay": _phrases(
        """
        (some|many|most|other) (people|students|beginners|articles|books|of us|person), misconception*, myth,
        (people|students|beginners|one|you|we) (may|might|could|often|sometimes|would) (think|believe|say|assume),
        misunderst*, mistake, mistook, mistaken, confus*, it is a myth,
        i (first|once|used to) (think|thought|believe*), i (wrongly|falsely), (wrongly|falsely), contrary to,
        (有|很多|許多|不少|某些)(些)?(人|同學)(會|都|就|常|常常|可能|也)?(以為|認為|覺得|說), 誤?以為,
        誤(認|會|解), 迷思, 混淆, 搞混, 常見的?錯誤, (錯|不對|不正確)的,
        """
    ),
    # What is only supposed.
    "·supposed": _phrases(
        """
        if, suppose, imagine, assum*, would, could have, had it, unless, in case, otherwise,
        如果, 若, 假如, 假設, 要是, 倘若, 假使, 萬一, 否則, 不然, 試想, 即使, 就算, 原本,
        """
    ),
    "·hedge": _phrases(
        """
        may, might, perhaps, maybe, probably, seem*, possibly, i (think|guess|believe), sometimes,
        可能, 也許, 或許, 大概, 似乎, 好像, 應該是, 說不定, 有時, 我(覺得|猜|想),
        """
    ),
    # How a clause begins that tells what something is compared with.
    "·compared": _phrases(
        """
        unlike, compared (to|with), in contrast (to|with), different from, instead of, rather than, similar to,
        just like, contrary to, in comparison (to|with), differs? from, as opposed to, than,
        不像, 不同於, 有別於, 相(較|比)(於|之下)?, 比起, 對比, 相對於, 比, 和, 與, 跟, 像,
        """
    ),
    # A clause that begins so tells of what something is compared with, even where it names nobody.
    "·against": _phrases(
        """
        unlike, compared (to|with), in contrast (to|with), as opposed to,
        相較於?, 相比(於|之下)?, 比起, 相對於, 不像, 不同於, 有別於, 比較起來,
        """
    ),
    # What may stand before the one who does something.
    "·before-subject": _phrases(
        """
        the, a, an, while, whereas, although, though, because, since, as, in, for, with, and,
        the (first|second|third|fourth|last|next|other) (one|method|optimizer|algorithm)? is, finally, but,
        however, so, then, when, if, that, where, whose, both, method, of, also, now,
        第?(一|二|三|四)(個|種)?(方法)?(是|為)?, 最後(是|的)?, 接下來(是)?, 雖然, 儘管, 由於, 因為, 但, 但是,
        而, 因此, 所以, 至於, 原本, 原來, 當, 的, 如果, 傳統, 一般, 普通, 標準, 如同, 就, 是, 如, 也, 此外,
        不過, 然而, 可是, 其中, 使用, 用, 以,
        """
    ),
    # After another was spoken of, the talk comes back to what the section is about.
    "·return": _phrases(
        """
        this (method|algorithm|optimizer|approach), to (solve|fix|address|overcome|avoid|improve), instead, here,
        we, the (new|improved) (method|version), the former, therefore we,
        這(個|種)?(方法|演算法|優化器|算法), 此(方法|法|演算法), 為了?(解決|改善|改進|避免|克服|修正), 本(方法|法),
        我們, 前者,
        """
    ),
    "·pronoun": _phrases(
        """
        it, they,
        它, 他, 牠,
        """
    ),
    # A clause that goes on about the thing just named.
    "·relative": _phrases(
        """
        which, whose, where, that, so, so that, thus, therefore, leading to, making, causing, and,
        其, 導致, 使得, 使, 因此, 所以, 造成, 以致, 於是, 並, 並且, 且, 而且, 也, 讓, 從而,
        """
    ),
    # Verbs where they begin a clause, as in a recipe or a slide; elsewhere they may be nouns.
    "·imperative": _phrases(
        """
        update, add, divide, take, use, keep, compute, multiply, draw, pick, sample, sum, accumulate, average, store,
        scale, replace, subtract, estimate, move, remember, square, choose, look, go, forget, adjust, give, track,
        """
    ),
    # Words that say that something happens; a row of nouns has none.
    "·verb": _phrases(
        """
        cost(s|ed)?, wobbl(es|ed|ing), beat(s|en)?, buil(d|ds|t), wip(es|ed), pays?, paid, shak(es|ing), shook,
        br(ing|ings|ought), slid(e|es|ing), stagger(s|ed|ing), drain(s|ed|ing), counteract*, square (its|the),
        reinforc(e|es|ed|ing), correct(s|ed|ing),
        is, are, was, were, be, been, has, have, had, do, does, did, can, will, must, 's, us(e|es|ed|ing),
        tak(e|es|ing), took, keep*, kept, add(s|ed|ing)?, multipl(y|ies|ied|ying), get*, divid(e|es|ed|ing),
        comput(e|es|ed|ing), calculat(e|es|ed|ing), updat(es|ed|ing), mov(e|es|ed|ing), accumulat(e|es|ed|ing),
        sum(s|med|ming), remember*, forget*, forgot*, replac(e|es|ed|ing), giv(e|es|ing), scal(es|ed|ing),
        adapt(s|ed|ing)?, adjust(s|ed|ing)?, let(s|ting)?, mak(e|es|ing), made, reduc(e|es|ed|ing),
        chang(es|ed|ing), shrink(s|ing)?, shrank, grow(s|ing)?, store(s|d)?, maintain*, build*, build up,
        collect*, track*, record(s|ed|ing), look(s|ed|ing)?, pick(s|ed|ing)?, select(s|ed|ing)?, draw(s|n|ing)?,
        choos(e|es|ing), chose*, sampl(es|ed|ing), estimat(es|ed|ing), approximat(es|ed|ing), go(es|ing)?, went,
        carr(y|ies|ied|ying), contain*, includ*, consist*, depend*, decid*, weigh(s|ed|ing)?, fad(e|es|ed|ing),
        decay(s|ed|ing), averag(es|ed|ing), smooth(s|ed|ing|ens), normali*, assign*, introduc*, apply*, appli*,
        combin*, subtract*, behav*, roll(s|ed|ing)?, walk(s|ed|ing)?, need(s|ed)?, requir*, becom*, becam*,
        learn(s|ed|ing)?, run(s|ning)?, work(s|ed|ing)?, mean(s|t), equal(s|ed)?, stay(s|ed|ing)?,
        continu(e|es|ed|ing), slow(s|ed|ing), speed(s|ing), accelerat(e|es|ed|ing), damp(s|en|ens|ed|ing),
        cancel*, solv*, fix(es|ed|ing), start(s|ed|ing)?, stop(s|ped|ping)?, shuffl(e|es|ed|ing), perform*,
        execut*, feed(s|ing)?, process(es|ed|ing), save(s|d)?, hold(s|ing)?, see(s|n|ing)?, grab(s|bed|bing)?,
        check(s|ed|ing)?, preserv*, retain*, inherit*, follow(s|ed|ing)?, leav(e|es|ing), leak(s|ed|ing)?,
        limit(s|ed|ing), drop(s|ped|ping)?, discount(s|ed|ing)?, increas(e|es|ed|ing), decreas(e|es|ed|ing),
        mix(es|ed|ing)?, blend(s|ed|ing)?, repeat(s|ed|ing)?, call(s|ed), reach(es|ed|ing)?, find(s|ing)?, found,
        guarantee*, ensur*, pass(es|ed|ing), oscillat(es|ed|ing), bounc(es|ed|ing), zigzags, converg(es|ed|ing),
        settl(es|ed|ing), jump(s|ed|ing), escap(es|ed|ing), arriv(es|ed|ing), fall(s|ing), ris(es|ing),
        vanish(es|ed|ing), help(s|ed|ing), tr(y|ies|ied|ying), caus(es|ed|ing), lead(s|ing), allow*, enabl*,
        appear(s|ed|ing)?, happen*, point(s|ed|ing), steer*, push(es|ed|ing)?, pull*, react*, respond*, suffer*,
        cur(es|ed|ing), produc*, provid*, suit(s|ed), treat*, trust(s|ed|ing)?, matter(s|ed), differ(s|ed),
        know(s|n)?, throw(s|n|ing)?, writ(es|ten|ing), wait(s|ed|ing)?, com(e|es|ing), remain*, turn(s|ed|ing),
        estimate the, average the, compute the, take, sum the, update the, move the, step against, divide the,
        scale the, pick, draw, =,
        步, 會, 是, 把, 將, 讓, 使, 用, 取, 抽, 選, 挑, 看, 算, 加, 乘, 除, 減, 累, 保留, 記, 更新, 移動,
        走, 調整, 等於, 有, 改, 考慮, 給, 做, 變, 帶, 拿, 引入, 利用, 採用, 依, 根據, 忘, 丟, 衰減, 平均,
        估計, 代替, 取代, 朝, 往, 沿, 隨, 能, 可, 計, 存, 縮, 得, 滾, 繼承, 抓, 切, 分, 打亂, 維護, 疊加,
        結合, 決定, 影響, 跟著, 學, 來, 求, 開根號, 進行, 追蹤, 克服, 解決, 改善, 改進, 改良, 避免, 當, 為,
        """
    ),
}
