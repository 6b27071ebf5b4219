"""What runs on the far side of the wall: the fork server and the programs it forks.

A fresh interpreter that knows neither site-packages nor `harness` imports this folder as the package
`sandbox` (see `forkserver`). So nothing here imports from `harness`; the worker imports `protocol` and
`values` from here.
"""
