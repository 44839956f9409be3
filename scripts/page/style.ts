/** The look of GitHub's pages, as far as a job summary uses it. Light or dark as the reader has it, unless the page says. */
const light = `color-scheme: light; --page: #f6f8fa; --box: #fff; --text: #1f2328; --soft: #59636e; --line: #d1d9e0; --rule: #d1d9e0b3;
  --band: #f6f8fa; --code: #818b981f; --link: #0969da; --note: #0969da; --tip: #1a7f37; --warning: #9a6700; --caution: #d1242f;
  --added: #1a7f37; --bar: #8c92e0; --skipped: #d1d9e0; --failed: #e5534b;`
const dark = `color-scheme: dark; --page: #010409; --box: #0d1117; --text: #f0f6fc; --soft: #9198a1; --line: #3d444d; --rule: #3d444db3;
  --band: #151b23; --code: #656c7633; --link: #4493f8; --note: #4493f8; --tip: #3fb950; --warning: #d29922; --caution: #f85149;
  --added: #3fb950; --bar: #6d74c9; --skipped: #3d444d; --failed: #da3633;`

export const style = `
:root { ${light} }
@media (prefers-color-scheme: dark) { :root:not([data-theme]) { ${dark} } }
:root[data-theme=dark] { ${dark} }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 14px/1.5 -apple-system, BlinkMacSystemFont, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif, "Noto Color Emoji"; }
main { max-width: 1012px; margin: 0 auto; padding: 24px 16px; }
h1 { font-size: 22px; font-weight: 600; margin: 0 0 20px; }
section { background: var(--box); border: 1px solid var(--line); border-radius: 6px; margin-bottom: 20px; overflow: hidden; }
section > header { padding: 12px 16px; border-bottom: 1px solid var(--line); font-size: 13px; font-weight: 600; background: var(--band); }
section > header small { color: var(--soft); font-weight: 400; }
.body { padding: 16px 24px 24px; overflow-wrap: break-word; }
.body > :first-child { margin-top: 0; }
.body > :last-child { margin-bottom: 0; }
h3 { font-size: 1.25em; font-weight: 600; line-height: 1.25; margin: 24px 0 16px; }
h4 { font-size: 1em; font-weight: 600; line-height: 1.25; margin: 24px 0 16px; }
p, ul, ol, pre, .wide, details, .alert, .chart { margin: 0 0 16px; }
ul, ol { padding-left: 2em; }
li + li { margin-top: .25em; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
code, pre { font: 12px/1.45 ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; }
code { background: var(--code); border-radius: 6px; padding: .2em .4em; }
pre { background: var(--band); border-radius: 6px; padding: 16px; overflow: auto; }
pre code { background: none; padding: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: max-content; max-width: 100%; }
th { font-weight: 600; }
th, td { border: 1px solid var(--line); padding: 6px 13px; text-align: left; }
tr { border-top: 1px solid var(--rule); }
tr:nth-child(2n) td { background: var(--band); }
summary { cursor: pointer; }
details[open] > summary { margin-bottom: 16px; }
details > :last-child { margin-bottom: 0; }
.alert { border-left: .25em solid var(--mood); padding: 8px 16px; }
.alert p { margin: 0; }
.alert p + p { margin-top: 8px; }
.alert .mood { font-weight: 500; color: var(--mood); margin-bottom: 4px; }
.alert.note { --mood: var(--note); } .alert.tip { --mood: var(--tip); } .alert.important { --mood: #8250df; }
.alert.warning { --mood: var(--warning); } .alert.caution { --mood: var(--caution); }
.added { color: var(--added); } .removed { color: var(--caution); } .changed { color: var(--warning); }
.chart { border: 1px solid var(--line); border-radius: 6px; padding: 16px; }
.chart svg { display: block; width: 100%; height: auto; font-size: 11px; }
.chart text { fill: var(--text); } .chart .tick { fill: var(--soft); } .chart line { stroke: var(--rule); }
.chart .in { fill: #fff; } .chart .ok { fill: var(--bar); } .chart .done { fill: var(--skipped); } .chart .crit { fill: var(--failed); }
`
