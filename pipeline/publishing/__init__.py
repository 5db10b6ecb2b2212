"""A release folder to where people find it: a plain folder of releases, or the Hugging Face Hub; all or nothing."""
