import { render } from "preact";
import type { View } from "./bindings";
import { texts, watch } from "./ipc";

function App({ view }: { view: View }) {
  return <main data-headline={view.device.headline.kind}>{view.device.name}</main>;
}

const { language } = await texts();
document.documentElement.lang = language;
await watch((view) => render(<App view={view} />, document.body));
