/// One range of an `Accept` header, or a `Content-Type` (RFC 9110 §8.3, §12.5.1). Pure.
struct MediaType: Hashable, Sendable {
    var type: String
    var parameters: [String: String]

    init(_ text: some StringProtocol) {
        let parts = text.split(separator: ";").map { $0.trimmingSpaces() }
        type = (parts.first ?? "").lowercased()
        parameters = [:]
        for part in parts.dropFirst() {
            let pair = part.split(separator: "=", maxSplits: 1).map { $0.trimmingSpaces() }
            if pair.count == 2 { parameters[pair[0].lowercased()] = pair[1] }
        }
    }

    static func all(_ header: String) -> [MediaType] { header.split(separator: ",").map { MediaType($0) } }
}

/// In which form objects are answered.
enum Form: Hashable, Sendable {
    case object
    /// `as=Table`: the server prints the columns.
    case table
    /// `as=PartialObjectMetadata(List)`: the metadata alone.
    case metadata

    /// The first range we can answer wins, as in kube-apiserver.
    ///
    /// - Throws: 406 when there is none.
    init(accept header: String?) throws(Status) {
        guard let header, !header.isEmpty else {
            self = .object
            return
        }
        for range in MediaType.all(header) {
            guard ["application/json", "application/*", "*/*"].contains(range.type) else { continue }
            guard let shape = range.parameters["as"] else {
                self = .object
                return
            }
            guard range.parameters["g"] == "meta.k8s.io", range.parameters["v"] == "v1" else { continue }
            switch shape {
            case "Table":
                self = .table
                return
            case "PartialObjectMetadata", "PartialObjectMetadataList":
                self = .metadata
                return
            default: continue
            }
        }
        throw Status(
            code: 406, reason: "NotAcceptable", message: "only the following media types are accepted: application/json")
    }
}

extension StringProtocol {
    fileprivate func trimmingSpaces() -> String {
        var rest = self[...]
        while let first = rest.first, first == " " || first == "\t" { rest = rest.dropFirst() }
        while let last = rest.last, last == " " || last == "\t" { rest = rest.dropLast() }
        return String(rest)
    }
}
