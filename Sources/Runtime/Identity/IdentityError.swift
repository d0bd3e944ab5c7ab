/// Why no identity came of it.
public struct IdentityError: Error, Sendable {
    public struct Code: Hashable, Sendable {
        private enum Base { case malformed, wrongKey, noAuthority, order, expired, library }
        private let base: Base

        /// It is no PEM, or not what was expected in it.
        public static let malformed = Code(base: .malformed)
        /// The private key is not the certificate's, or of a kind that is not used here.
        public static let wrongKey = Code(base: .wrongKey)
        /// The certificate may not sign others.
        public static let noAuthority = Code(base: .noAuthority)
        /// What was ordered cannot be in a certificate.
        public static let order = Code(base: .order)
        /// The authority does not hold at this time.
        public static let expired = Code(base: .expired)
        /// The cryptographic library refused.
        public static let library = Code(base: .library)
    }

    public var code: Code
    public var message: String
    public var cause: (any Error)?

    init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }
}

extension IdentityError: CustomStringConvertible {
    public var description: String { cause.map { "\(message): \($0)" } ?? message }
}

/// Lets a `catch` match by code: `catch IdentityError.Code.expired`.
public func ~= (code: IdentityError.Code, error: any Error) -> Bool { (error as? IdentityError)?.code == code }
