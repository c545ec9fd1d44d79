select kind, count() as facts from default.facts group by kind
