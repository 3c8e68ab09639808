module example.test/subtests

go 1.20
