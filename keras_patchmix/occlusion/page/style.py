"""The style sheet of the page: light, dark, narrow, and paper."""

# The colours of the curves are those of the pictures, but two that are darker here and all of them
# lighter in the dark, so that each stands out from the page by 3 to 1 (WCAG 2.2, criterion 1.4.11).
STYLE = """\
:root {
  color-scheme: light dark;
  --text: #1b1f24; --soft: #57606a; --paper: #ffffff; --tint: #f5f7f9; --rule: #d5dbe1;
  --warn: #8a5300; --warn-tint: #fff6e5; --good: #0b6b3a; --bad: #b3261e;
  --s0: #0072b2; --s1: #d55e00; --s2: #009e73; --s3: #cc79a7; --s4: #3a9bd1; --s5: #c98500;
  --s6: #000000;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --text: #e6e9ec; --soft: #a3adb7; --paper: #14181c; --tint: #1d2329; --rule: #3a424a;
    --warn: #ffc56b; --warn-tint: #2b2313; --good: #6fd39b; --bad: #ff9d94;
    --s0: #4aa3dc; --s1: #f0803c; --s2: #2fc295; --s3: #e39cc4; --s4: #a5d8f6; --s5: #f3c14f;
    --s6: #e6e9ec;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 1.25rem 1rem 3rem; max-width: 62rem;
  background: var(--paper); color: var(--text);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
h1, h2, h3, h4 { line-height: 1.25; overflow-wrap: anywhere; }
h1 { font-size: 1.75rem; margin: .5rem 0 1rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; }
h3, h4 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
.cases h4 { margin-top: .75rem; }
h3 small, h4 small { font-weight: normal; color: var(--soft); }
p, ul, pre, dl { margin: 0 0 .75rem; }
p, li, dd { overflow-wrap: anywhere; max-width: 46rem; }
.small, footer, figcaption, caption { font-size: .875rem; }
.small, footer { color: var(--soft); }
footer { margin-top: 3rem; border-top: 1px solid var(--rule); padding-top: .75rem; }
a { color: inherit; text-underline-offset: .2em; }
:focus-visible { outline: 2px solid var(--s0); outline-offset: 2px; }
code, pre { font: .8125rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
p code, li code { overflow-wrap: anywhere; }
pre {
  background: var(--tint); padding: .75rem; overflow: auto; max-height: 24rem; border-radius: 4px;
}
.long pre, .command pre { white-space: pre-wrap; overflow-wrap: anywhere; }

.facts { display: flex; flex-wrap: wrap; gap: .5rem 2rem; }
.facts dt { font-size: .8125rem; color: var(--soft); }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; }
nav ul {
  display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; margin: 1rem 0 0;
  padding: .5rem 0; border-block: 1px solid var(--rule); font-size: .875rem;
}
nav a { display: inline-block; padding: .25rem 0; }
.lead p { font-size: 1.0625rem; }
.warning {
  background: var(--warn-tint); border-left: 4px solid var(--warn); padding: .75rem 1rem .25rem;
  margin: 1rem 0 1.5rem;
}
.warning h2 { margin: 0 0 .5rem; font-size: 1rem; color: var(--warn); }
.warning ul { padding-left: 1.25rem; }

.scroll { overflow-x: auto; margin: 0 0 1rem; max-width: 100%; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption {
  text-align: left; padding-bottom: .35rem; caption-side: top; font-weight: 600;
  color: var(--text); white-space: nowrap;
}
th, td { padding: .3rem .6rem; text-align: right; vertical-align: baseline; white-space: nowrap; }
th:first-child { text-align: left; padding-left: 0; }
thead th { vertical-align: bottom; font-weight: 600; }
thead tr:last-child > * { border-bottom: 2px solid var(--text); }
tbody th { font-weight: normal; position: sticky; left: 0; background: var(--paper); }
tbody { border-bottom: 1px solid var(--rule); }
tbody tr:hover > * { background: var(--tint); }
.first { padding-left: 1.4rem; }
.model { min-width: 5rem; max-width: 14rem; white-space: normal; overflow-wrap: anywhere; }
th[scope="colgroup"] { text-align: left; border-bottom: 1px solid var(--rule); }
td small { font-size: .75rem; color: var(--soft); }
.key { font-weight: 600; }
.classes thead th { max-width: 8rem; white-space: normal; }
.classes tbody th {
  white-space: normal; min-width: 7rem; max-width: 16rem; overflow-wrap: anywhere;
}
.settings td { text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 7rem; }
.settings thead th { text-align: left; white-space: normal; }
details { margin: 0 0 .75rem; }
summary { cursor: pointer; padding: .35rem 0; font-weight: 600; }

@media screen and (max-width: 30rem) {
  table { font-size: .8125rem; }
  th, td { padding-inline: .3rem; }
  .first { padding-left: .8rem; }
  tbody th { white-space: normal; max-width: 6.75rem; }
  .pairs tbody th { max-width: 9rem; }
}

figure { margin: 0; }
.panels {
  display: grid; gap: 1.5rem 2rem; margin-bottom: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr));
}
.panel { max-width: 28rem; }
.panel figcaption { font-weight: 600; }
.panel > svg { display: block; width: 100%; height: auto; overflow: visible; }
.legend {
  display: flex; flex-wrap: wrap; gap: .15rem 1.25rem; list-style: none; padding: 0;
  font-size: .875rem;
}
.legend li { display: flex; align-items: center; gap: .4rem; }
.legend svg { flex: none; }
svg text { font-size: 12px; fill: var(--soft); font-variant-numeric: tabular-nums; }
.rule { fill: none; stroke: var(--rule); stroke-width: 1; }
.axis { fill: none; stroke: var(--soft); stroke-width: 1; }
.line { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; }
.band { fill: var(--c); fill-opacity: .15; }
.mark { fill: var(--c); stroke: var(--paper); stroke-width: 1; }
.dot { fill: var(--c); fill-opacity: .45; }
.s0 { --c: var(--s0); } .s1 { --c: var(--s1); } .s2 { --c: var(--s2); } .s3 { --c: var(--s3); }
.s4 { --c: var(--s4); } .s5 { --c: var(--s5); } .s6 { --c: var(--s6); }
.d1 { stroke-dasharray: 7 4; } .d2 { stroke-dasharray: 2 3; } .d3 { stroke-dasharray: 8 3 2 3; }

.strip {
  display: grid; gap: .75rem .6rem; grid-template-columns: repeat(auto-fill, minmax(5.85rem, 1fr));
}
.strip figure { max-width: 11rem; }
.strip img { display: block; width: 100%; height: auto; background: var(--tint); }
.coarse { image-rendering: pixelated; }
.strip figcaption { font-size: .75rem; line-height: 1.4; padding-top: .25rem; }
.cases {
  display: grid; gap: 0 2rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr));
}
.maps { grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr)); }
@media screen and (max-width: 30rem) {
  .maps { grid-template-columns: repeat(auto-fill, minmax(5.85rem, 1fr)); }
}
.scale { display: flex; align-items: center; gap: .5rem; }
.bar img { display: block; width: 8rem; height: .75rem; }
.verdict { display: block; font-weight: 600; overflow-wrap: anywhere; }
.good { color: var(--good); } .bad { color: var(--bad); } .none { color: var(--soft); }

@media print {
  @page { size: A4; margin: 16mm 14mm; }
  body { padding: 0; max-width: none; font-size: 10pt; }
  h1 { font-size: 17pt; } h2 { font-size: 13pt; margin-top: 18pt; }
  h2, h3, h2 + p, .note, .legend, caption, figcaption, summary { break-after: avoid; }
  nav { display: none; }
  footer { margin-top: 6pt; padding-top: 3pt; break-before: avoid; }
  table { font-size: 8pt; }
  .strip figcaption { font-size: 6.5pt; }
  th, td { padding: 1.5pt 4pt; }
  .first { padding-left: 9pt; }
  thead { display: table-header-group; }
  p, tr, figure, .short, .example, .warning, pre { break-inside: avoid; }
  tbody th { position: static; }
  .scroll, pre { overflow: visible; max-height: none; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid var(--rule); }
  .panels { grid-template-columns: 1fr 1fr; gap: 12pt 18pt; }
  /* Browsers break pages badly inside grids. */
  .strip, .cases { display: block; }
  .strip figure {
    display: inline-block; width: 17.5mm; margin: 0 1.6mm 2mm 0; vertical-align: top;
  }
  .maps figure { width: 27mm; }
  .warning { border: 1px solid var(--warn); border-left-width: 4px; }
  /* What is folded away is printed, but for lists that would fill many sheets. */
  details:not(.long)::details-content { content-visibility: visible; block-size: auto; }
  details.long { display: none; }
}
"""
