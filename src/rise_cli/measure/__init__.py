"""Figures from trajectories: does reconsidering help, how sure is that, and what does it cost.

rollouts     a row of a results file as what is measured: which turns were right, and what they took
accuracy     right out of how many, with intervals; majorities of the first turns or chains
"""
