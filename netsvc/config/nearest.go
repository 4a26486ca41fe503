package config

// Nearest returns the known name that a misspelt one most likely meant, "" when none is near: at most a
// third of its letters may differ, counted as insertions, deletions, substitutions and swaps of
// neighbours.
func Nearest(name string, known []string) string {
	best, least := "", len(name)/3+1
	if len(name) > 64 {
		return "" // no name is that long, and the search would take its time
	}
	for _, k := range known {
		if d := distance(name, k); d < least || d == least && best == "" && d <= 2 {
			best, least = k, d
		}
	}
	return best
}

// distance is the optimal string alignment distance of two short names.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
