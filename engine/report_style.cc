// The style sheet of a report page.
#include "engine/report_style.h"

namespace dexter {

std::string_view report_style() {
  return R"css(
:root{color-scheme:light dark;--page:#f4f5f7;--card:#fff;--ink:#1b1f27;--soft:#5d6675;--rule:#e4e7ec;
--accent:#2866d1;--accent-soft:#bcd2f7;--second:#d9772b;--good:#15803d;--good-bg:#e3f5e8;--bad:#b4412f;
--bad-bg:#fbeae6;--shadow:0 1px 2px rgba(16,24,40,.06),0 1px 3px rgba(16,24,40,.08)}
@media (prefers-color-scheme:dark){:root{--page:#101318;--card:#191e26;--ink:#e8ebf0;--soft:#9aa5b5;--rule:#2b323d;
--accent:#74a7ff;--accent-soft:#2c4470;--second:#f0a35e;--good:#6fd08c;--good-bg:#173323;--bad:#f19a87;
--bad-bg:#3a211c;--shadow:none}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1120px;margin:0 auto;padding:32px 20px 48px}
h1{font-size:26px;line-height:1.25;margin:0 0 4px;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:16px;margin:0 0 2px}
h3{font-size:13px;margin:14px 0 2px;color:var(--soft);font-weight:600}
p{margin:0}
.soft,.note{color:var(--soft)}
.note{font-size:13px;margin:0 0 10px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:22px 0 16px}
.tile,.card{background:var(--card);border-radius:12px;box-shadow:var(--shadow)}
.tile{padding:14px 16px}
.tile b{display:block;font-size:28px;line-height:1.2;font-weight:650;letter-spacing:-.02em;
font-variant-numeric:tabular-nums}
.tile small{color:var(--soft);font-size:13px}
.tile .what{font-size:13px;font-weight:600}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:16px}
.card{padding:18px 20px;min-width:0}
.wide{grid-column:1/-1}
svg{display:block;width:100%;height:auto;font:11.5px system-ui,sans-serif;overflow:visible}
.rule{stroke:var(--rule)}.axis{stroke:var(--soft)}
.tick{fill:var(--soft)}.group{fill:var(--ink);font-weight:600;font-size:12px}
.value{fill:var(--ink);font-weight:600}
.small{font-size:10.5px}
.middle{text-anchor:middle}.end{text-anchor:end}
.fill-accent{fill:var(--accent)}
.whisker{stroke:var(--ink);stroke-width:1.2;fill:none;opacity:.75}
.line{fill:none;stroke-width:2.2;stroke-linejoin:round}
.line.accent{stroke:var(--accent)}.line.second{stroke:var(--second)}
.dot{stroke:var(--card);stroke-width:1}.dot.accent{fill:var(--accent)}.dot.second{fill:var(--second)}
.dot.marked{stroke:var(--ink);stroke-width:2}
.shape{stroke-width:1.6;fill-opacity:.28}
.shape.accent{stroke:var(--accent);fill:var(--accent)}.shape.second{stroke:var(--second);fill:var(--second)}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:13px;color:var(--soft);margin:8px 0 0}
.legend i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:6px}
.bg-accent{background:var(--accent)}.bg-soft{background:var(--accent-soft)}.bg-second{background:var(--second)}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:6px 10px 6px 0;border-bottom:1px solid var(--rule);vertical-align:top;
overflow-wrap:anywhere}
tr:last-child td{border-bottom:0}
th{font-size:12.5px;color:var(--soft);font-weight:600}
.number{text-align:right;white-space:nowrap}
td.number:last-child,th.number:last-child{padding-right:0}
.pm{color:var(--soft);font-size:12px;margin-left:4px}
.figures{margin-top:12px}.figures td,.figures th{padding:4px 10px 4px 0}
.track{position:relative;height:12px;border-radius:6px;background:var(--rule);overflow:hidden;min-width:90px;margin-top:5px}
.track span{position:absolute;left:0;top:0;bottom:0;border-radius:6px}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,250px),1fr));gap:4px 32px}
.facts dl{margin:0;display:grid;grid-template-columns:auto 1fr;gap:3px 14px;align-content:start;font-size:14px}
.facts dt{color:var(--soft)}.facts dd{margin:0;text-align:right;overflow-wrap:anywhere}
.facts h3{grid-column:1/-1;margin:10px 0 2px}
.answers{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,320px),1fr));gap:14px}
.answer{border:1px solid var(--rule);border-radius:10px;padding:12px 14px;min-width:0}
.answer p{font-weight:600;line-height:1.4;margin:0 0 8px;overflow-wrap:anywhere}
.answer ol{list-style:none;margin:0;padding:0}
.answer li{display:flex;gap:10px;justify-content:space-between;padding:2px 8px;border-radius:6px;margin:0 -8px;
font-size:14px}
.answer li.true{background:var(--good-bg);color:var(--good)}
.answer li span{overflow-wrap:anywhere;min-width:0}
.answer .score{font-variant-numeric:tabular-nums;color:var(--soft);flex:none}
.answer li.true .score{color:inherit}
.missed{font-size:13px;color:var(--bad);background:var(--bad-bg);border-radius:6px;margin:8px -8px 0;padding:3px 8px;
overflow-wrap:anywhere}
details summary{cursor:pointer;font-size:16px;font-weight:600}
details table{margin-top:10px}
.changed td:first-child{font-weight:650}
code{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
footer{margin-top:22px;font-size:13px;color:var(--soft)}
footer p{margin:0 0 4px}
.figures .pm{white-space:nowrap}
@media (max-width:560px){.figures .pm{display:none}main{padding:20px 12px 32px}.card{padding:14px}.hide-narrow{display:none}
.tiles{grid-template-columns:repeat(2,1fr)}.tile b{font-size:23px}}
@media print{body{background:#fff}.card,.tile{box-shadow:none;border:1px solid var(--rule);break-inside:avoid}}
)css";
}

}  // namespace dexter
