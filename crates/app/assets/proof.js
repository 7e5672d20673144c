(function(){
/* Checks a proof bundle in the visitor's own browser: nothing is sent anywhere. The rules are those of bundle.rs. */
var form=document.getElementById('proof'),say=document.getElementById('outcome'),subtle=window.crypto&&crypto.subtle;
if(!form)return;
form.hidden=false;
var LIMIT=16*1024*1024,PATH_MAX=64,EVENTS_MAX=10000,FORMAT='dossier-proof/1';
function Doubt(word,n){this.word=word;this.n=n;}
function need(holds,word,n){if(!holds)throw new Doubt(word,n);}
function utf8(text){return new TextEncoder().encode(text);}
function join(parts){
var size=parts.reduce(function(n,p){return n+p.length;},0),all=new Uint8Array(size),at=0;
parts.forEach(function(p){all.set(p,at);at+=p.length;});
return all;
}
function sha(parts){return subtle.digest('SHA-256',join(parts)).then(function(b){return new Uint8Array(b);});}
function leaf(parts){return sha([Uint8Array.of(0)].concat(parts));}
function node(left,right){return sha([Uint8Array.of(1),left,right]);}
function same(a,b){return a.length===b.length&&a.every(function(x,i){return x===b[i];});}
function unbase64(text){
need(typeof text==='string','form');
var raw;
try{raw=atob(text);}catch(e){throw new Doubt('form');}
need(btoa(raw)===text,'form');
return Uint8Array.from(raw,function(c){return c.charCodeAt(0);});
}
function hex(bytes){return Array.from(bytes,function(b){return(b<16?'0':'')+b.toString(16);}).join('');}
function unhex(text,length){
need(typeof text==='string'&&text.length===2*length&&/^[0-9a-f]*$/.test(text),'form');
return Uint8Array.from(text.match(/../g),function(pair){return parseInt(pair,16);});
}
function members(value,must,may){
need(value!==null&&typeof value==='object'&&!Array.isArray(value),'form');
var names=Object.keys(value);
need(must.every(function(m){return names.indexOf(m)>=0;}),'form');
need(names.every(function(m){return must.concat(may||[]).indexOf(m)>=0;}),'form');
}
function whole(n){need(Number.isSafeInteger(n)&&n>=0,'form');return n;}
async function included(hash,index,size,path,root,n){
need(Array.isArray(path)&&path.length<=PATH_MAX,'event',n);
need(index<size,'event',n);
var at=index,last=size-1,i,other;
for(i=0;i<path.length;i++){
other=unbase64(path[i]);
need(other.length===32&&last>0,'event',n);
if(at%2===1||at===last){
hash=await node(other,hash);
while(at%2===0&&at!==0){at/=2;last=Math.floor(last/2);}
}else{hash=await node(hash,other);}
at=Math.floor(at/2);
last=Math.floor(last/2);
}
need(last===0&&same(hash,root),'event',n);
}
async function readKey(text){
var match=/^([^\s+]+)\+([0-9a-f]{8})\+(.+)$/.exec(text.trim());
need(match,'key');
var bytes;
try{bytes=unbase64(match[3]);}catch(e){throw new Doubt('key');}
need(bytes.length===33&&bytes[0]===1,'key');
var digest=await sha([utf8(match[1]+'\n'),bytes]);
need(hex(digest.slice(0,4))===match[2],'key');
return{origin:match[1],hash:digest.slice(0,4),raw:bytes.slice(1)};
}
async function readHead(note,key){
need(typeof note==='string'&&note.length<=16384,'head');
var cut=note.lastIndexOf('\n\n'),text,lines,signed=false,i,parts,bytes,good,verifier;
need(cut>0&&note.endsWith('\n'),'head');
text=note.slice(0,cut+1);
verifier=await subtle.importKey('raw',key.raw,{name:'Ed25519'},false,['verify']).catch(function(){throw new Doubt('browser');});
lines=note.slice(cut+2,-1).split('\n');
for(i=0;i<lines.length;i++){
parts=lines[i].split(' ');
need(parts.length===3&&parts[0]==='\u2014','head');
bytes=unbase64(parts[2]);
if(parts[1]!==key.origin||!same(bytes.slice(0,4),key.hash))continue;
good=await subtle.verify({name:'Ed25519'},verifier,bytes.slice(4),utf8(text));
need(good,'head');
signed=true;
}
lines=text.split('\n');
need(signed&&lines[0]===key.origin&&/^(0|[1-9][0-9]*)$/.test(lines[1]),'head');
bytes=unbase64(lines[2]);
need(bytes.length===32,'head');
return{origin:lines[0],size:whole(Number(lines[1])),root:bytes};
}
async function checkEvent(event,head,about,n){
var form=JSON.parse(event.text),number=form.home,at=form.happened_at,row,blind,made;
await included(await leaf([utf8(event.text)]),whole(event.index),head.size,event.path,head.root,n);
need((form.subjects_root===undefined)===(event.row===undefined),'event',n);
if(event.row){
blind=unhex(event.row.blind,16);
row=await leaf([utf8(event.row.text),blind]);
await included(row,whole(event.row.index),whole(form.subjects_count),event.row.path,unhex(form.subjects_root,32),n);
row=JSON.parse(event.row.text);
number=row.number;
made=row.row.commissioned;
if(made)at=made.produced_at;
}
need(about.has(number),'event',n);
return{kind:form.body.kind,at:at,made:made};
}
async function check(text,given){
var bundle=JSON.parse(text),i,told=[],about,more=true,own,head;
members(bundle,['format','number','public_key','checkpoint','events']);
need(bundle.format===FORMAT&&Array.isArray(bundle.events)&&bundle.events.length>0&&bundle.events.length<=EVENTS_MAX,'form');
bundle.events.forEach(function(event){
members(event,['text','index','path'],['row']);
if(event.row!==undefined)members(event.row,['text','blind','index','path']);
});
own=await readKey(bundle.public_key);
head=await readHead(bundle.checkpoint,given?await readKey(given):own);
about=new Set([bundle.number]);
while(more){
more=false;
bundle.events.forEach(function(event){
var form=JSON.parse(event.text);
if(event.row&&form.body.kind==='packed'&&about.has(JSON.parse(event.row.text).number)&&!about.has(form.home)){
about.add(form.home);
more=true;
}
});
}
for(i=0;i<bundle.events.length;i++)told.push(await checkEvent(bundle.events[i],head,about,i+1));
return{head:head,events:told,key:bundle.public_key,number:bundle.number};
}
function line(tag,text,kind){
var element=document.createElement(tag);
element.textContent=text;
if(kind)element.className=kind;
say.appendChild(element);
}
var kinds=JSON.parse(form.getAttribute('data-kinds'));
function words(name,n){return(form.getAttribute('data-'+name)||'').replace('{n}',n);}
/* The brand's time, as its other pages tell it. */
function minute(at){
var parts={},shape={timeZone:form.getAttribute('data-zone'),year:'numeric',month:'2-digit',day:'2-digit',hour:'2-digit',minute:'2-digit',hourCycle:'h23'};
new Intl.DateTimeFormat('en-GB',shape).formatToParts(new Date(at/1000)).forEach(function(part){parts[part.type]=part.value;});
return parts.year+'-'+parts.month+'-'+parts.day+' '+parts.hour+':'+parts.minute;
}
/* An identifier as people know it: an IMEI, recorded by its 14 digits, with the check digit (Luhn) that the label has. */
function known(one){
var value=String(one.value),sum=0,i,product;
if(one.scheme!=='imei'||!/^[0-9]{14}$/.test(value))return value;
for(i=0;i<14;i++){
product=Number(value.charAt(i))*(i%2===1?2:1);
sum+=product>9?product-9:product;
}
return value+String((10-sum%10)%10);
}
/* What the unit's own production record calls it. */
function names(made){
var own=(made.identifiers||[]).map(function(one){return one.scheme.toUpperCase()+' '+known(one);});
return(made.sn?['SN '+made.sn]:[]).concat(own).join(', ');
}
form.addEventListener('submit',async function(submitted){
submitted.preventDefault();
say.textContent='';
say.hidden=false;
var file=form.elements.file.files[0],given=form.elements.key.value.trim(),proven,list;
try{
need(subtle,'browser');
need(file&&file.size<=LIMIT,'form');
proven=await check(new TextDecoder('utf-8',{fatal:true,ignoreBOM:true}).decode(await file.arrayBuffer()),given);
line('h2',words('good'),'good');
line('p',words('entries',String(proven.head.size).replace(/\B(?=(\d{3})+$)/g,','))+' '+proven.head.origin);
if(!given){line('p',words('own'));line('p',proven.key,'code');}
line('p',words('unit',proven.number));
proven.events.forEach(function(event){if(event.made&&names(event.made))line('p',words('names',names(event.made)));});
line('p',form.getAttribute('data-times'));
list=document.createElement('ul');
proven.events.forEach(function(event){
var item=document.createElement('li');
item.textContent=minute(event.at)+'  '+(Object.hasOwn(kinds,event.kind)?kinds[event.kind]:event.kind);
list.appendChild(item);
});
say.appendChild(list);
}catch(doubt){
say.textContent='';
line('h2',words('bad'),'bad');
line('p',doubt instanceof Doubt?words(doubt.word,doubt.n):words('form'));
}
});
})();
