"""Where a thing came from and what was made of it: releases, runs, models, crawls."""
