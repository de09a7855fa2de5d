package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// revocation refuses clients that the CRLs in a file name, as `countersign crl publish --out` writes it in all.pem.
// It reads the file again when it has changed, and refuses everybody when a list is missing or past its nextUpdate.
type revocation struct {
	file string

	mutex sync.Mutex
	read  os.FileInfo // of what the lists were read from
	lists []*list
}

type list struct {
	*x509.RevocationList
	serials map[string]bool
	issuer  *x509.Certificate // whose signature it was found to have
}

// check is for tls.Config.VerifyConnection, which also runs when a session is resumed, unlike VerifyPeerCertificate;
// and for each request, as connections stay open.
func (r *revocation) check(connection tls.ConnectionState) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if err := r.refresh(); err != nil {
		return err
	}
	err := errors.New("no verified chain")
	for _, chain := range connection.VerifiedChains {
		if err = r.checkChain(chain); err == nil {
			return nil
		}
	}
	return err
}

func (r *revocation) checkChain(chain []*x509.Certificate) error {
	now := time.Now()
	for i, certificate := range chain[:len(chain)-1] {
		list := r.listOf(chain[i+1])
		switch {
		case now.After(certificate.NotAfter):
			return fmt.Errorf("%s has expired", certificate.Subject)
		case list == nil:
			return fmt.Errorf("no CRL of %s", chain[i+1].Subject)
		case now.After(list.NextUpdate):
			return fmt.Errorf("the CRL of %s has expired", chain[i+1].Subject)
		case list.serials[certificate.SerialNumber.String()]:
			return fmt.Errorf("%s is revoked", certificate.Subject)
		}
	}
	return nil
}

// listOf finds an issuer's list, and believes only what the issuer signed.
func (r *revocation) listOf(issuer *x509.Certificate) *list {
	for _, list := range r.lists {
		if !bytes.Equal(list.RawIssuer, issuer.RawSubject) {
			continue
		}
		if list.issuer == nil && list.CheckSignatureFrom(issuer) == nil {
			list.issuer = issuer
		}
		if list.issuer != nil && list.issuer.Equal(issuer) {
			return list
		}
	}
	return nil
}

func (r *revocation) refresh() error {
	info, err := os.Stat(r.file)
	if err != nil {
		return err
	}
	if r.read != nil && os.SameFile(info, r.read) && info.ModTime().Equal(r.read.ModTime()) {
		return nil
	}
	text, err := os.ReadFile(r.file)
	if err != nil {
		return err
	}
	var lists []*list
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		parsed, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return err
		}
		serials := make(map[string]bool, len(parsed.RevokedCertificates))
		for _, entry := range parsed.RevokedCertificates {
			serials[entry.SerialNumber.String()] = true
		}
		lists = append(lists, &list{RevocationList: parsed, serials: serials})
	}
	r.lists, r.read = lists, info
	return nil
}
