import KubeAPI
import Testing

@testable import APIServer

@Suite struct DiscoveryTests {
    private func custom() -> [ServedKind] { ServedKind.kinds(ofCRD: ["spec": tree(Sample.definitionSpec)]) }

    @Test("groups and resources are listed, with those of definitions")
    func lists() throws {
        let discovery = Discovery(custom: custom())
        let groups = discovery.groupList["groups"]?.array?.compactMap { $0["name"]?.string }
        #expect(
            groups == [
                "apiextensions.k8s.io", "apps", "authentication.k8s.io", "authorization.k8s.io", "autoscaling", "batch",
                "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io", "networking.k8s.io", "policy",
                "rbac.authorization.k8s.io", "scheduling.k8s.io", "storage.k8s.io", "example.org",
            ])
        let boats = try #require(discovery.resources(group: "example.org", version: "v1"))
        #expect(boats["resources"]?.array?.compactMap { $0["name"]?.string } == ["boats", "boats/status", "boats/scale"])
        let scale = try #require(boats["resources"]?.array?.last)
        #expect(scale["kind"] == "Scale" && scale["group"] == "autoscaling")
        #expect(discovery.resources(group: "none", version: "v1") == nil)
        #expect(discovery.resources(group: "apps", version: "v9") == nil)
        #expect(discovery.group("") == nil && discovery.group("none") == nil)
        #expect(discovery.group("apps")?["preferredVersion"]?["groupVersion"] == "apps/v1")
    }

    @Test("the aggregated documents hold what the lists hold")
    func aggregated() {
        let discovery = Discovery(custom: custom())
        let items = [discovery.aggregatedCore("v2"), discovery.aggregatedGroups("v2")].flatMap { $0["items"]?.array ?? [] }
        var count = 0
        for item in items {
            let group = item["metadata"]?["name"]?.string ?? ""
            for version in item["versions"]?.array ?? [] {
                let names = version["resources"]?.array?.flatMap { resource in
                    [resource["resource"]?.string ?? ""]
                        + (resource["subresources"]?.array ?? []).map {
                            "\(resource["resource"]?.string ?? "")/\($0["subresource"]?.string ?? "")"
                        }
                }
                let listed = discovery.resources(group: group, version: version["version"]?.string ?? "")?["resources"]?.array
                #expect(names == listed?.compactMap { $0["name"]?.string })
                count += version["resources"]?.array?.count ?? 0
            }
        }
        #expect(count == ServedKinds.all.count + 1)
    }

    @Test(
        "the document is aggregated when the client asks for it first",
        arguments: [
            (
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json",
                "v2"
            ),
            ("application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json", "v2beta1"),
            ("application/json; g=apidiscovery.k8s.io; v=v2; as=APIGroupDiscoveryList", "v2"),
            ("application/json;g=apidiscovery.k8s.io;v=v3;as=APIGroupDiscoveryList", nil), ("application/json", nil),
            ("*/*", nil), ("", nil),
        ] as [(String, String?)])
    func negotiation(accept: String, version: String?) {
        #expect(Discovery.aggregation(accept: accept) == version)
    }

    @Test("versions are preferred as Kubernetes prefers them")
    func versions() {
        let sorted = ["v1", "foo", "v10", "v2beta1", "v1alpha1", "v1beta2", "v2", "v11alpha2", "v01"]
            .sorted { APIVersionOrder($0) < APIVersionOrder($1) }
        #expect(sorted == ["v10", "v2", "v1", "v2beta1", "v1beta2", "v11alpha2", "v1alpha1", "foo", "v01"])
    }

    @Test("every kind can be patched with field validation, and every reference in the schemas leads somewhere")
    func openAPI() throws {
        let discovery = Discovery(custom: custom())
        for (group, version) in discovery.groupVersions {
            let document = try #require(discovery.openAPI(group: group, version: version))
            let schemas = try #require(document["components"]?["schemas"]?.object)
            for member in schemas.members { checkReferences(member.value, in: schemas) }
            for kind in discovery.kinds(group, version) {
                let patches = document["paths"]?.object?.members.compactMap { $0.value["patch"] } ?? []
                let patch = try #require(patches.first { $0["x-kubernetes-group-version-kind"] == kind.groupVersionKind.tree })
                #expect(patch["parameters"]?.array?.contains { $0["name"] == "fieldValidation" } == true)
                let types = patch["requestBody"]?["content"]?.object?.keys.sorted()
                #expect(types == Patch.contentTypes(for: kind).sorted())
                let schema = schemas.members.first {
                    $0.value["x-kubernetes-group-version-kind"]?.array?.contains(kind.groupVersionKind.tree) == true
                }
                #expect(schema?.key == kind.schemaName)
                if !kind.isCustom { #expect(schema?.value["description"]?.string?.isEmpty == false, "explain \(kind.kind)") }
            }
        }
    }

    private func checkReferences(_ value: JSONValue, in schemas: JSONObject) {
        switch value {
        case .object(let object):
            if let text = object["$ref"]?.string {
                #expect(schemas[String(text.dropFirst("#/components/schemas/".count))] != nil, "\(text)")
            }
            for member in object.members { checkReferences(member.value, in: schemas) }
        case .array(let elements): for element in elements { checkReferences(element, in: schemas) }
        default: break
        }
    }

    @Test("the index changes when a definition does, and only there")
    func index() {
        let (without, with) = (Discovery().openAPIIndex, Discovery(custom: custom()).openAPIIndex)
        #expect(without["paths"]?["apis/apps/v1"] == with["paths"]?["apis/apps/v1"])
        #expect(without["paths"]?["apis/example.org/v1"] == nil && with["paths"]?["apis/example.org/v1"] != nil)
    }

    @Test("OpenAPI v2 begins as protobuf should, and names every kind")
    func protobuf() {
        let bytes = Discovery(custom: custom()).openAPIv2
        #expect(bytes.prefix(5) == [0x0A, 3, 0x32, 0x2E, 0x30])
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(ServedKinds.all.allSatisfy { text.contains("kind: \($0.kind)\n") } && text.contains("kind: Boat\n"))
        #expect(text.contains("fieldValidation"))
    }

    @Test("kubectl explain has a sentence for every field of a network policy")
    func policiesExplained() throws {
        let document = try #require(Discovery().openAPI(group: "networking.k8s.io", version: "v1"))
        let schemas = try #require(document["components"]?["schemas"]?.object)
        let ours = schemas.members.filter { member in
            ["NetworkPolicy", "IPBlock", "LabelSelector"].contains {
                member.key.split(separator: ".").last?.hasPrefix($0) == true
            }
        }
        #expect(ours.count == 9, "\(ours.map(\.key))")
        for schema in ours {
            for field in schema.value["properties"]?.object?.members ?? [] {
                #expect(field.value["description"]?.string?.isEmpty == false, "\(schema.key): \(field.key)")
            }
        }
    }

    @Test("a description belongs to a type and a field that are there")
    func descriptions() {
        for key in Descriptions.texts.keys {
            let parts = key.split(separator: ".").map(String.init)
            let type = TypeTable.standard.types[parts[0]]
            #expect(type != nil && (parts.count == 1 || type?.field(parts[1]) != nil), "\(key)")
        }
    }
}
