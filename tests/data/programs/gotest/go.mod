module example.test/loader

go 1.20
