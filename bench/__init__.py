"""`make bench`: the job of docs/performance.md, measured against bare COPY and against what people use today."""
