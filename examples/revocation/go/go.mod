module countersign.example/server

go 1.19
