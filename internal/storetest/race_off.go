//go:build !race

package storetest

// raceDetector says that the tests run ten times slower; random ones do less
// then.
const raceDetector = false
