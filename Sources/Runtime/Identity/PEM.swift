internal import SwiftASN1

/// Reads PEM files.
enum PEM {
    static func documents(_ bytes: [UInt8], of what: String) throws(IdentityError) -> [PEMDocument] {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw IdentityError(.malformed, "\(what): the PEM is no text")
        }
        do {
            return try PEMDocument.parseMultiple(pemString: text)
        } catch {
            throw IdentityError(.malformed, "\(what): reading PEM", cause: error)
        }
    }
}
