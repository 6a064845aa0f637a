"""Figures from trajectories: does reconsidering help, how sure is that, and what does it cost.

rollouts     a row of a results file as what is measured: which turns were right, and what they took
majority     the vote over some of the turns
accuracy     right out of how many, with intervals: acc@t, m1@t, mk@t1, p1@t
flips        what becomes of right and wrong answers in the next turn, and the break-even
paired       two ways of answering the same problems
verdict      such a comparison in words
confidence   whether stated confidence tells anything
spending     requests, tokens, money, time
summary      all of that for one file, also as JSON

scipy.stats takes a second to load, so it is imported where a figure is worked out, and what is wrong with a
file is said before.
"""
