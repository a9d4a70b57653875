module restward.io/tests/cluster/images

go 1.24
