package features

// Table lists all optional features by name. features_test.go holds it against the files of this folder and the
// packages that there are.
var Table = []Feature{}
