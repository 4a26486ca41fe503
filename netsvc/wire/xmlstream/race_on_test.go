//go:build race

package xmlstream

const race = true
