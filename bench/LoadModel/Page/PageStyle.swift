// SPDX-License-Identifier: Apache-2.0

/// The style sheet of a report page. Nothing is loaded from anywhere.
enum PageStyle {
    /// Colours of lines that can be told apart; beyond them nothing is drawn.
    static let lineStyles = 8

    /// The colours keep a contrast of at least 4.5 to 1 to the background in both modes; lines differ by dashes too.
    static let sheet: StaticString = """
        :root{color-scheme:light dark;--back:#fff;--card:#f6f7f9;--ink:#1b1f24;--soft:#57606a;--rule:#d5dae0;
        --band:#8a94a322;--good:#116329;--good-back:#dff4e4;--bad:#a40e26;--bad-back:#fde7e9;--warn:#7a4b00;--warn-back:#fdf0d5;
        --s0:#0b5cad;--s1:#a84300;--s2:#1a7f37;--s3:#a3195b;--s4:#6639ba;--s5:#57606a;--s6:#00727a;--s7:#7d5a00}
        @media (prefers-color-scheme:dark){:root{--back:#0e1116;--card:#171b22;--ink:#e6eaf0;--soft:#a3adba;--rule:#343b45;
        --band:#8a94a333;--good:#6fdd8b;--good-back:#12301d;--bad:#ff8f96;--bad-back:#3c1519;--warn:#f2c15c;--warn-back:#36280d;
        --s0:#6cb6ff;--s1:#f5a05a;--s2:#5fd083;--s3:#ff8abd;--s4:#bd9bff;--s5:#b4bcc8;--s6:#4fd0d8;--s7:#e0c050}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
        main{max-width:1560px;margin:0 auto;padding:20px clamp(12px,3vw,40px) 60px}
        h1{font-size:1.6rem;line-height:1.2;margin:0 0 .2em}
        h2{font-size:1.25rem;margin:2em 0 .6em;border-bottom:1px solid var(--rule);padding-bottom:.2em}
        h3{font-size:1.02rem;margin:0 0 .3em}
        p{margin:.4em 0;max-width:80ch}
        .soft,figcaption{color:var(--soft)}
        figcaption{font-size:.87rem;max-width:80ch}
        .verdict{border-radius:8px;padding:12px 16px;margin:16px 0;border-left:6px solid}
        .verdict strong{font-size:1.1rem}
        .verdict.good{background:var(--good-back);border-color:var(--good)}.verdict.good strong{color:var(--good)}
        .verdict.bad{background:var(--bad-back);border-color:var(--bad)}.verdict.bad strong{color:var(--bad)}
        .verdict.warn{background:var(--warn-back);border-color:var(--warn)}.verdict.warn strong{color:var(--warn)}
        .facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));gap:2px 28px;margin:0}
        .facts div{display:flex;gap:10px;padding:3px 0;border-bottom:1px solid var(--rule)}
        .facts dt{color:var(--soft);flex:0 0 8.5em}
        .facts dd{margin:0;overflow-wrap:anywhere}
        pre{background:var(--card);border-radius:6px;padding:8px 12px;white-space:pre-wrap;overflow-wrap:anywhere;
        font:13px/1.45 ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;margin:.6em 0}
        .cards{columns:2 520px;column-gap:28px}.cards>.scroll{break-inside:avoid}
        .plots{display:grid;gap:22px 28px;grid-template-columns:repeat(auto-fit,minmax(min(100%,560px),1fr));align-items:start}
        .scroll{overflow-x:auto;margin-bottom:22px}
        table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums;width:100%}
        caption{text-align:left;font-weight:600;padding:.2em 0 .4em}
        th,td{padding:3px 10px 3px 0;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
        th:first-child,td:first-child{text-align:left}
        .cards th:first-child{white-space:normal}
        th:last-child,td:last-child{padding-right:0}
        thead th{color:var(--soft);font-weight:600;white-space:normal;vertical-align:bottom}
        tbody th{font-weight:500}
        td.text,th.text{white-space:normal;text-align:left;padding-left:14px}
        td.text{min-width:15em;overflow-wrap:break-word}
        figure{margin:0;background:var(--card);border-radius:10px;padding:14px 16px;max-width:900px;min-width:0}
        .plot{display:block;width:100%;height:auto;margin-top:8px}
        .plot.narrow{display:none}
        @media (max-width:559px){.plot.wide{display:none}.plot.narrow{display:block}figure{padding:12px 10px}
        table{font-size:.8rem}th,td{padding-right:6px}}
        .legend{display:flex;flex-wrap:wrap;gap:2px 16px;list-style:none;margin:.5em 0 0;padding:0;font-size:.87rem}
        .legend li{display:flex;align-items:center;gap:6px}
        .legend svg{flex:none}
        .plot text{fill:var(--soft);font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
        .plot .axis-label{fill:var(--ink);font-weight:600}
        .plot .end{text-anchor:end}.plot .middle{text-anchor:middle}
        .grid{stroke:var(--rule);stroke-width:.7}.axis{stroke:var(--soft)}
        .band{fill:var(--band)}.marker{stroke:var(--bad);stroke-dasharray:4 3}
        .plot .note{font-size:11px}
        .hint{fill:transparent}.hint:hover{fill:var(--band)}
        .line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
        .area{opacity:.13;stroke:none}.dot{stroke:none}
        .line.s0{stroke:var(--s0)}.line.s1{stroke:var(--s1);stroke-dasharray:7 3}.line.s2{stroke:var(--s2)}
        .line.s3{stroke:var(--s3);stroke-dasharray:2 3;stroke-width:1.4}.line.s4{stroke:var(--s4)}.line.s5{stroke:var(--s5);stroke-dasharray:10 4 2 4}
        .line.s6{stroke:var(--s6);stroke-dasharray:5 5}.line.s7{stroke:var(--s7)}
        .area.s0,.dot.s0{fill:var(--s0)}.area.s1,.dot.s1{fill:var(--s1)}.area.s2,.dot.s2{fill:var(--s2)}
        .area.s3,.dot.s3{fill:var(--s3)}.area.s4,.dot.s4{fill:var(--s4)}.area.s5,.dot.s5{fill:var(--s5)}
        .area.s6,.dot.s6{fill:var(--s6)}.area.s7,.dot.s7{fill:var(--s7)}
        details{margin-top:8px;font-size:.9rem}summary{cursor:pointer;color:var(--soft)}
        details .scroll{max-height:340px;overflow:auto;margin:6px 0 0}
        details thead th{position:sticky;top:0;background:var(--card)}
        ul.notes{padding-left:1.2em;max-width:84ch}ul.notes li{margin:.35em 0}
        @media print{body{font-size:11px}figure{break-inside:avoid}details{display:none}}
        """
}
