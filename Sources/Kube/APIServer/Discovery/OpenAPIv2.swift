import KubeAPI

/// `/openapi/v2` in protobuf, for kubectl up to 1.26, which asks nothing of it but whether the server validates fields.
///
/// ```
/// Document   1 swagger   2 info {1 title, 2 version}   8 paths
/// Paths      2 path {1 name, 2 value}
/// PathItem   8 patch
/// Operation  8 parameters   13 vendor_extension {1 name, 2 value {2 yaml}}
/// parameter  1 parameter { 2 non-body { 3 query { 2 in, 4 name, 6 type } } }
/// ```
extension Discovery {
    /// The `Content-Type` of ``openAPIv2``. Clients ask for it with an `@` before `v1.0`, which is no media type (RFC 9110 §5.6.2
    /// has no `@` in a token): an answer that repeats it is refused by kubectl.
    public static let openAPIv2Type = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

    public var openAPIv2: [UInt8] {
        var paths = ProtobufText()
        for kind in kinds {
            let root = "/" + Self.root(kind.group, kind.version)
            let middle = kind.isNamespaced ? "/namespaces/{namespace}/" : "/"
            paths.message(2) { named in
                named.text(1, "\(root)\(middle)\(kind.plural)/{name}")
                named.message(2) { item in item.message(8) { operation(&$0, kind) } }
            }
        }
        var document = ProtobufText()
        document.text(1, "2.0")
        document.message(2) { info in
            info.text(1, "Kubernetes")
            info.text(2, Self.version["gitVersion"]?.string ?? "")
        }
        document.bytes(8, paths.content)
        return document.content
    }

    private func operation(_ operation: inout ProtobufText, _ kind: ServedKind) {
        operation.message(8) { item in
            item.message(1) { parameter in
                parameter.message(2) { plain in
                    plain.message(3) { query in
                        query.text(2, "query")
                        query.text(4, "fieldValidation")
                        query.text(6, "string")
                    }
                }
            }
        }
        operation.message(13) { extra in
            extra.text(1, "x-kubernetes-group-version-kind")
            extra.message(2) { value in
                value.text(2, "group: \"\(kind.group)\"\nkind: \(kind.kind)\nversion: \(kind.version)\n")
            }
        }
    }
}

/// Protobuf's wire format, as far as strings and messages go.
private struct ProtobufText {
    private(set) var content: [UInt8] = []

    mutating func text(_ field: Int, _ text: String) { bytes(field, Array(text.utf8)) }

    mutating func message(_ field: Int, _ fill: (inout ProtobufText) -> Void) {
        var inner = ProtobufText()
        fill(&inner)
        bytes(field, inner.content)
    }

    mutating func bytes(_ field: Int, _ bytes: [UInt8]) {
        number(field << 3 | 2)
        number(bytes.count)
        content += bytes
    }

    private mutating func number(_ value: Int) {
        var rest = value
        while rest >= 0x80 {
            content.append(UInt8(rest & 0x7F | 0x80))
            rest >>= 7
        }
        content.append(UInt8(rest))
    }
}
