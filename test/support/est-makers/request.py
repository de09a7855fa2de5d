"""Makes a CSR: request.py KEY CSR COMMON_NAME URI. A key is made where there is none; the CSR is base64 in MIME's lines."""

import base64
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

key_file, csr_file, common_name, uri = sys.argv[1:]

if os.path.exists(key_file):
    with open(key_file, "rb") as file:
        key = serialization.load_pem_private_key(file.read(), password=None)
else:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with open(os.open(key_file, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
        file.write(pem)

names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
csr = (
    x509.CertificateSigningRequestBuilder()
    .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
    .add_extension(names, critical=False)
    .sign(key, hashes.SHA256())
)
with open(csr_file, "wb") as file:
    text = base64.encodebytes(csr.public_bytes(serialization.Encoding.DER))
    file.write(text.replace(b"\n", b"\r\n"))
