//go:build race

package stanza

const race = true
