"""From a site to the raw store: requests, pages, and the child process that runs them."""
