// Which organisation this device belongs to: its name and logo above every page, apart from what applications say.
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Organisation } from "./bindings";
import { logo } from "./ipc";
import { t } from "./text";

export function OrganisationBar({ organisation }: { organisation: Organisation }) {
  const { name, colour, logo } = organisation;
  useLayoutEffect(() => {
    const { style } = document.documentElement;
    style.setProperty("--organisation-light", colour?.light ?? "var(--line)");
    style.setProperty("--organisation-dark", colour?.dark ?? "var(--line)");
  }, [colour?.light, colour?.dark]);
  if (name === null && logo === null) return null;
  return (
    <aside id="organisation" class="organisation" aria-label={t("organisation-label")}>
      {logo !== null && <Logo number={logo} />}
      {name !== null && <bdi>{name}</bdi>}
    </aside>
  );
}

/** Draws pixels, so that the page decodes no picture from outside. */
function Logo({ number }: { number: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    let current = true;
    void logo().then((picture) => {
      if (current && picture !== null) draw(canvas.current, picture);
    });
    return () => {
      current = false;
    };
  }, [number]);
  return <canvas ref={canvas} width={0} height={0} aria-hidden="true" />;
}

function draw(canvas: HTMLCanvasElement | null, picture: ImageData): void {
  if (!canvas) return;
  [canvas.width, canvas.height] = [picture.width, picture.height];
  canvas.getContext("2d")?.putImageData(picture, 0, 0);
}
