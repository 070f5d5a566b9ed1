"""What Apple's powermetrics prints, made into values. Nothing here runs it.

* `command` is the exact words that run it, which the rule for sudo repeats.
* A **splitter** cuts the stream into documents; `document` reads one, even a slightly broken one.
* A **sample** is what one document says of one interval; `window` makes power of some of them.

Apple calls the power values estimates that are not for comparing devices.
"""
