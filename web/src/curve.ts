/** Brake curves as paths: forces in daN against time, left and right on one scale. */

import type { Curve } from "./api";

export interface Frame {
  width: number;
  height: number;
}

export interface Drawing {
  left: string;
  right: string;
  topDan: number;
  totalS: number;
  forces: { dan: number; y: number }[];
  times: { s: number; x: number }[];
  peaks: { left: { x: number; y: number; dan: number }; right: { x: number; y: number; dan: number } };
}

const STEPS = [1, 2, 2.5, 5, 10];

/** A round step so that ``top`` takes about ``count`` of them. */
export function roundStep(top: number, count: number): number {
  const rough = Math.max(top, 1e-9) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  return (STEPS.find((step) => step * power >= rough * 0.999) ?? 10) * power;
}

/** Paths and ticks of ``curve`` in a frame with its origin at the top left. */
export function drawCurve(curve: Curve, frame: Frame): Drawing {
  const longest = Math.max(curve.left_dan.length, curve.right_dan.length, 2);
  const highest = curve.left_dan.concat(curve.right_dan).reduce((a, b) => Math.max(a, b), 10);
  const forceStep = roundStep(highest * 1.05, 3);
  const topDan = Math.ceil((highest * 1.05) / forceStep) * forceStep;
  const totalS = ((longest - 1) * curve.interval_ms) / 1000;
  const x = (index: number) => round((index / (longest - 1)) * frame.width);
  const y = (dan: number) => round(frame.height * (1 - Math.max(0, dan) / topDan));
  const path = (dans: number[]) => dans.map((dan, i) => `${i ? "L" : "M"}${x(i)} ${y(dan)}`).join("");
  const peak = (dans: number[]) => {
    const dan = dans.reduce((a, b) => Math.max(a, b), 0);
    return { x: x(Math.max(0, dans.indexOf(dan))), y: y(dan), dan };
  };
  const timeStep = roundStep(totalS, 4);
  return {
    left: path(curve.left_dan),
    right: path(curve.right_dan),
    topDan,
    totalS,
    forces: ticks(topDan, forceStep).map((dan) => ({ dan, y: y(dan) })),
    times: ticks(totalS, timeStep).map((s) => ({ s, x: round(totalS ? (s / totalS) * frame.width : 0) })),
    peaks: { left: peak(curve.left_dan), right: peak(curve.right_dan) },
  };
}

function ticks(top: number, step: number): number[] {
  return Array.from({ length: Math.floor(top / step + 1e-9) + 1 }, (_, i) => Number((i * step).toFixed(6)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
