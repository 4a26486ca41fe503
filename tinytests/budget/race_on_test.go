//go:build race

package budget

// The race detector multiplies memory and allocations: what is measured then says nothing.
const racing = true
