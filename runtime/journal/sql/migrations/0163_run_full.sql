-- 0163_run_full: pages of `run` are filled.  Room on a page is for updates that touch no index (HOT), and a run's
-- status, which stands in the predicates of its indexes, changes with every update; the third of each page that was
-- kept free for it was a third of what a parked run costs.
ALTER TABLE run SET (fillfactor = 100);
