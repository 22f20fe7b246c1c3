// Package durable holds what lasting files need of a system: kernel locks on open files.
package durable
