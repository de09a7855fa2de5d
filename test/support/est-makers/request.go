// Makes a CSR: request KEY CSR COMMON_NAME URI. A key is made where there is none; the CSR is base64 on one line.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io/fs"
	"net/url"
	"os"
)

func main() {
	keyFile, csrFile, commonName, uri := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	key := loadOrMake(keyFile)
	name, err := url.Parse(uri)
	check(err)
	template := x509.CertificateRequest{
		Subject: pkix.Name{CommonName: commonName},
		URIs:    []*url.URL{name},
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &template, key)
	check(err)
	check(os.WriteFile(csrFile, []byte(base64.StdEncoding.EncodeToString(csr)), 0o644))
}

func loadOrMake(file string) *ecdsa.PrivateKey {
	text, err := os.ReadFile(file)
	if err == nil {
		block, _ := pem.Decode(text)
		key, err := x509.ParseECPrivateKey(block.Bytes)
		check(err)
		return key
	}
	if !errors.Is(err, fs.ErrNotExist) {
		panic(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	der, err := x509.MarshalECPrivateKey(key)
	check(err)
	text = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	check(os.WriteFile(file, text, 0o600))
	return key
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
