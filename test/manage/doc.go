// Package manage has many clients do legal and illegal operations on few
// instances while the program that serves them is killed, and then asks whether
// some serial order of what was answered explains every answer and every end.
package manage
