import { render } from "preact";
import { App } from "./app";
import { texts, watch } from "./ipc";
import { speak } from "./text";

const told = await texts();
speak(told);
await watch((view) => render(<App view={view} version={told.version} />, document.body));
