"""Results files as one page that stands alone: no network, no server, no word of a model that could run.

embedding      what is kept in the page and read by its script: packed, so that no text can end its element
entries        a row as the list shows it, and as its transcript is shown
charts         the figures as drawings, through matplotlib
inlining       a drawing made fit to stand in the page: themed, unique ids, no style of its own
sections       the figures as the page words and tabulates them
page           all of it put together, one row at a time
templates/     the page, its style and its script
"""
