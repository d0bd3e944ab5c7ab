import KubeAPI
import Testing

struct PodReferenceTests {
    @Test(
        "a pod is written with its kind and namespace, or without",
        arguments: [
            ("web", nil, "web"), ("shop/web", "shop", "web"), ("pod/shop/web", "shop", "web"), ("pod/web", nil, "web"),
            // A namespace that is called as the kind.
            ("pod/pod/web", "pod", "web"), ("pod", nil, "pod"),
        ])
    func read(_ text: String, _ namespace: String?, _ name: String) throws {
        let pod = try #require(PodReference(text))
        #expect(pod.namespace == namespace && pod.name == name)
    }

    @Test(
        "what names none, or more than one, is none",
        arguments: ["", "/", "pod/", "shop/", "/web", "a/b/c", "pod/a/b/c", "pod//web", "service/shop/web"])
    func refused(_ text: String) { #expect(PodReference(text) == nil) }
}
